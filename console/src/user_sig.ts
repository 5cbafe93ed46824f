// UserSig (`TLSSigAPIv2`), made in the page, so that a secret key never leaves it.
//
// Not by WebCrypto: a browser has that on https and on localhost only, and a console may be looked at over plain
// http on a network of one's own.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { zlibSync } from "fflate";

/** What a UserSig vouches for. Times are Unix seconds. */
export interface Claims {
  sdkAppId: number;
  identifier: string;
  issuedAt: number;
  lifetimeS: number;
}

const utf8 = new TextEncoder();

/** A UserSig for these claims, good as long as the app has this secret key. */
export function sign(claims: Claims, secretKey: string): string {
  const json = JSON.stringify({
    "TLS.ver": "2.0",
    "TLS.identifier": claims.identifier,
    "TLS.sdkappid": claims.sdkAppId,
    "TLS.expire": claims.lifetimeS,
    "TLS.time": claims.issuedAt,
    "TLS.sig": signature(claims, secretKey),
  });
  return base64(zlibSync(utf8.encode(json)))
    .replaceAll("+", "*")
    .replaceAll("/", "-")
    .replaceAll("=", "_");
}

/** HMAC-SHA256 of the claims, written line by line, in base64. */
export function signature(claims: Claims, secretKey: string): string {
  const lines =
    `TLS.identifier:${claims.identifier}\n` +
    `TLS.sdkappid:${claims.sdkAppId}\n` +
    `TLS.time:${claims.issuedAt}\n` +
    `TLS.expire:${claims.lifetimeS}\n`;
  return base64(hmac(sha256, utf8.encode(secretKey), utf8.encode(lines)));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
