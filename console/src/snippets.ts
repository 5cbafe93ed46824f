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
  /** What must be there before, as a line to copy; null if nothing. */
  install: string | null;
  text: (request: Request) => string;
}

export const SNIPPETS: readonly Snippet[] = [
  { id: "curl", title: "curl", install: null, text: curl },
  { id: "node", title: "Node.js", install: "npm install tls-sig-api-v2", text: node },
  { id: "python", title: "Python", install: "pip install tls-sig-api-v2 requests", text: python },
  { id: "go", title: "Go", install: "go get github.com/tencentyun/tls-sig-api-v2-golang", text: go },
  { id: "java", title: "Java", install: 'implementation("com.github.tencentyun:tls-sig-api-v2:2.0")', text: java },
  { id: "php", title: "PHP", install: "composer require tencent/tls-sig-api-v2", text: php },
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

function go({ origin, path, body, session }: Request): string {
  const identifier = JSON.stringify(session.identifier);
  // A raw string has no escapes. Go drops carriage returns from it.
  const literal = /[`\r]/.test(body) ? JSON.stringify(body) : `\`${body}\``;
  return `package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"
)

func main() {
	userSig, err := tencentyun.GenUserSig(${session.sdkAppId}, os.Getenv("SECRET_KEY"), ${identifier}, 86400)
	if err != nil {
		panic(err)
	}
	query := url.Values{
		"sdkappid":    {"${session.sdkAppId}"},
		"identifier":  {${identifier}},
		"usersig":     {userSig},
		"random":      {"1"},
		"contenttype": {"json"},
	}
	body := strings.NewReader(${literal})
	response, err := http.Post("${origin}${path}?"+query.Encode(), "application/json", body)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(answer))
}
`;
}

function java({ origin, path, body, session }: Request): string {
  return `import com.tencentyun.TLSSigAPIv2;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;

public class Call {
    public static void main(String[] arguments) throws Exception {
        String identifier = ${JSON.stringify(session.identifier)};
        String userSig = new TLSSigAPIv2(${session.sdkAppId}, System.getenv("SECRET_KEY")).genUserSig(identifier, 86400);
        String url = "${origin}${path}?sdkappid=${session.sdkAppId}"
            + "&identifier=" + URLEncoder.encode(identifier, StandardCharsets.UTF_8)
            + "&usersig=" + userSig + "&random=1&contenttype=json";
        String body = ${isJson(body) ? textBlock(body, " ".repeat(12)) : JSON.stringify(body)};
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
            .POST(HttpRequest.BodyPublishers.ofString(body))
            .build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.body());
    }
}
`;
}

/** Java drops the indentation and trailing spaces of a text block, which mean nothing in JSON. */
function textBlock(json: string, indent: string): string {
  const escaped = json.replaceAll("\\", "\\\\").replaceAll('"""', '\\"""');
  return `"""\n${escaped.split("\n").map((line) => indent + line).join("\n")}"""`;
}

function php({ origin, path, body, session }: Request): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  return `<?php
require "vendor/autoload.php";

$api = new \\Tencent\\TLSSigAPIv2(${session.sdkAppId}, getenv("SECRET_KEY"));
$query = http_build_query([
    "sdkappid" => ${session.sdkAppId},
    "identifier" => ${quoted(session.identifier)},
    "usersig" => $api->genUserSig(${quoted(session.identifier)}, 86400),
    "random" => 1,
    "contenttype" => "json",
]);
$body = ${quoted(body)};
$options = ["method" => "POST", "header" => "Content-Type: application/json", "content" => $body];
$context = stream_context_create(["http" => $options]);
echo file_get_contents("${origin}${path}?" . $query, false, $context), "\n";
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
