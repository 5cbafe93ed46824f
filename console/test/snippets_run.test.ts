// Runs the programs that the page shows, with a stand-in for the library that signs. Each is as an SDK of its language makes it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { SNIPPETS } from "../src/snippets.ts";

const run = promisify(execFile);
const IDENTIFIER = "o'admin&x=$(id)\\";
const BODY = `{
  "From_Account": "it's \\u0041 \\"q\\" \`id\` $HOME 😀",
  "Flag": [true, null]
}`;

const GO_LIBRARY = `package tencentyun

func GenUserSig(app int, key string, user string, seconds int) (string, error) {
	return "signed-with-" + key, nil
}
`;
const JAVA_LIBRARY = `package com.tencentyun;
public class TLSSigAPIv2 {
  private final String key;
  public TLSSigAPIv2(long app, String key) { this.key = key; }
  public String genUserSig(String user, long seconds) { return "signed-with-" + key; }
}
`;
const PHP_LIBRARY = `<?php
namespace Tencent;
class TLSSigAPIv2 {
  function __construct(private int $app, private string $key) {}
  function genUserSig(string $user, int $seconds) { return "signed-with-" . $this->key; }
}
`;

const server = createServer();
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "earmark-snippets-"));
  await once(server.listen(0, "127.0.0.1"), "listening");
});

after(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Whether a program is on this machine. If not, says so; in CI, which installs it, the test fails. */
async function has(t: TestContext, program: string, ...version: string[]): Promise<boolean> {
  const isThere = await run(program, version).then(() => true, () => false);
  assert.ok(isThere || process.env.CI !== "true", `there is no ${program}`);
  if (!isThere) console.log(`NOT TESTED: ${t.name}: there is no ${program}`);
  return isThere;
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return path;
}

/** Runs a program, which must send the call, and print the answer. */
async function assertCalls(id: string, start: (text: string) => Promise<[program: string, args: string[], cwd?: string]>): Promise<void> {
  for (const body of [BODY, "{not 'JSON'}\\"]) {
    const { port } = server.address() as AddressInfo;
    const text = SNIPPETS.find((one) => one.id === id)!.text({
      origin: `http://127.0.0.1:${port}`,
      path: "/v4/recentcontact/mark_contact",
      body,
      session: { sdkAppId: 1400000001, identifier: IDENTIFIER },
    });
    const [program, args, cwd] = await start(text);
    const received = once(server, "request").then(async ([request, response]) => {
      let sent = "";
      for await (const part of request) sent += part;
      response.end('{"ErrorCode":0}');
      return { url: new URL(request.url, "http://localhost"), method: request.method as string, sent };
    });
    const env = { ...process.env, SECRET_KEY: "secret", GOFLAGS: "-mod=mod", GOPROXY: "off", GOCACHE: join(folder, "go-cache") };
    const { stdout } = await run(program, args, { env, cwd: cwd ?? folder });
    const { url, method, sent } = await received;
    assert.deepEqual([stdout.trim(), method, url.pathname], ['{"ErrorCode":0}', "POST", "/v4/recentcontact/mark_contact"]);
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      sdkappid: "1400000001", identifier: IDENTIFIER, usersig: "signed-with-secret", random: "1", contenttype: "json",
    });
    if (body === BODY) assert.deepEqual(JSON.parse(sent), JSON.parse(BODY));
    else assert.equal(sent, body);
  }
}

test("the Go program sends the call", async (t) => {
  if (!(await has(t, "go", "version"))) return;
  const library = "github.com/tencentyun/tls-sig-api-v2-golang";
  await file("go/library/go.mod", `module ${library}\n\ngo 1.19\n`);
  await file("go/library/tencentyun/sig.go", GO_LIBRARY);
  await file("go/go.mod", `module call\n\ngo 1.19\n\nrequire ${library} v0.0.0\n\nreplace ${library} => ./library\n`);
  await assertCalls("go", async (text) => {
    await file("go/main.go", text);
    return ["go", ["run", "."], join(folder, "go")];
  });
});

test("the Java program sends the call", async (t) => {
  if (!(await has(t, "javac", "-version"))) return;
  const library = await file("java/com/tencentyun/TLSSigAPIv2.java", JAVA_LIBRARY);
  await run("javac", ["-d", join(folder, "java/classes"), library]);
  await assertCalls("java", async (text) => {
    return ["java", ["-cp", "java/classes", await file("java/Call.java", text)]];
  });
});

test("the PHP program sends the call", async (t) => {
  if (!(await has(t, "php", "--version"))) return;
  await file("php/vendor/autoload.php", PHP_LIBRARY);
  await assertCalls("php", async (text) => {
    await file("php/call.php", text);
    return ["php", ["call.php"], join(folder, "php")];
  });
});
