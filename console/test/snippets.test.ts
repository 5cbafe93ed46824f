import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { curl, quote, SNIPPETS } from "../src/snippets.ts";

const REQUEST = {
  origin: "http://127.0.0.1:8080",
  path: "/v4/recentcontact/mark_contact",
  body: `{"From_Account":"it's $HOME \`id\` \\"q\\" \u202e😀","Flag":[true,null]}`,
  session: { sdkAppId: 1400000001, identifier: "o'admin&x=$(id)" },
};

/** The words into which a shell splits a command. */
function words(command: string, env: Record<string, string> = {}): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }\n${command}`;
  return execFileSync("sh", ["-c", script], { env: { ...process.env, ...env } }).toString().split("\0").slice(0, -1);
}

test("a shell reads a quoted text unchanged", () => {
  for (const text of ["", "'", "''a'", "$HOME `id` \\ \"", "a\nb", "😀\u202e"]) {
    assert.deepEqual(words(`curl ${quote(text)}`), [text]);
  }
});

test("the curl command sends the body and the identifier unchanged", () => {
  const [url, flag, body, ...rest] = words(curl({ ...REQUEST, userSig: "eJw*-_" }));
  assert.deepEqual([flag, body, rest], ["--data-raw", REQUEST.body, []]);
  const query = new URL(url!).searchParams;
  assert.equal(query.get("identifier"), REQUEST.session.identifier);
  assert.equal(query.get("usersig"), "eJw*-_");
  assert.equal(query.get("sdkappid"), "1400000001");
});

test("no snippet has the UserSig unless the user asks for it", () => {
  for (const { text } of SNIPPETS) assert.ok(!text({ ...REQUEST, userSig: undefined }).includes("eJw"));
  const [url] = words(curl({ ...REQUEST }), { USERSIG: "from-the-environment" });
  assert.equal(new URL(url!).searchParams.get("usersig"), "from-the-environment");
});

test("the Python snippet has the same body", () => {
  const python = SNIPPETS.find(({ id }) => id === "python")!.text(REQUEST);
  const literal = /^body = (.*)$/m.exec(python)![1]!;
  const said = execFileSync("python3", ["-c", `import json; print(json.dumps(${literal}))`]).toString();
  assert.deepEqual(JSON.parse(said), JSON.parse(REQUEST.body));
});
