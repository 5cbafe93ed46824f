// The call as a curl command and as programs. They contain the UserSig only if the user asks for it.

import type { Session } from "./api/session.ts";
import { pieces, type Piece } from "./json.ts";

export interface Request {
  origin: string;
  path: string;
  /** The text of the editor, which may not be JSON. */
  body: string;
  session: Pick<Session, "sdkAppId" | "identifier">;
  /** Without it, curl gets a placeholder. */
  userSig?: string | undefined;
}

export interface Snippet {
  id: string;
  title: string;
  text: (request: Request) => string;
}

export const SNIPPETS: readonly Snippet[] = [
  { id: "curl", title: "curl", text: curl },
  { id: "node", title: "Node.js", text: node },
  { id: "python", title: "Python", text: python },
];

/** Quotes a text for a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curl({ origin, path, body, session, userSig }: Request): string {
  const before = `${origin}${path}?sdkappid=${session.sdkAppId}&identifier=${encodeURIComponent(session.identifier)}&usersig=`;
  const after = "&random=1&contenttype=json";
  const url = userSig === undefined ? `${quote(before)}"$USERSIG"${quote(after)}` : quote(before + userSig + after);
  return `curl ${url} \\\n  --data-raw ${quote(body)}`;
}

function node({ origin, path, body, session }: Request): string {
  const identifier = JSON.stringify(session.identifier);
  return `import { Api } from "tls-sig-api-v2";

const userSig = new Api(${session.sdkAppId}, process.env.SECRET_KEY).genSig(${identifier}, 86400);
const query = new URLSearchParams({
  sdkappid: "${session.sdkAppId}",
  identifier: ${identifier},
  usersig: userSig,
  random: "1",
  contenttype: "json",
});
const response = await fetch("${origin}${path}?" + query, {
  method: "POST",
  body: ${isJson(body) ? `JSON.stringify(${body.split("\n").join("\n  ")})` : JSON.stringify(body)},
});
console.log(await response.json());
`;
}

function python({ origin, path, body, session }: Request): string {
  const identifier = JSON.stringify(session.identifier);
  return `import os
import requests
from TLSSigAPIv2 import TLSSigAPIv2

api = TLSSigAPIv2(${session.sdkAppId}, os.environ["SECRET_KEY"])
query = {
    "sdkappid": ${session.sdkAppId},
    "identifier": ${identifier},
    "usersig": api.gen_sig(${identifier}, 86400),
    "random": 1,
    "contenttype": "json",
}
body = ${isJson(body) ? pythonLiteral(body) : JSON.stringify(body)}
response = requests.post("${origin}${path}", params=query, ${isJson(body) ? "json" : "data"}=body)
print(response.json())
`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** JSON is a Python literal, except for `true`, `false`, `null` and a few escapes. */
function pythonLiteral(json: string): string {
  const words: Record<string, string> = { true: "True", false: "False", null: "None" };
  const written = (piece: Piece): string => {
    if (piece.kind === "word") return words[piece.text] ?? piece.text;
    const isString = piece.kind === "text" || piece.kind === "name";
    return isString ? JSON.stringify(JSON.parse(piece.text)) : piece.text;
  };
  return pieces(json).map(written).join("");
}
