// Makes a UserSig (`TLSSigAPIv2`) in the page, so that the secret key never leaves the page.
//
// Browsers offer WebCrypto only over https and on localhost. The console must also work over plain http in a private
// network, so the HMAC comes from a library.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { zlibSync } from "fflate";

export interface Claims {
  sdkAppId: number;
  identifier: string;
  /** Unix seconds. */
  issuedAt: number;
  lifetimeS: number;
}

const utf8 = new TextEncoder();

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

/** HMAC-SHA256 over the claims, one per line, in base64. */
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
