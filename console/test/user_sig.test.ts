import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { sign, signature } from "../src/user_sig.ts";

/** Signed by Tencent's implementation. The service's unit tests use the same key and claims. */
const KEY = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
const ADMIN = { sdkAppId: 1_400_000_000, identifier: "administrator", issuedAt: 1_700_000_000, lifetimeS: 86_400 };

test("signatures equal those of Tencent's implementation", () => {
  assert.equal(signature(ADMIN, KEY), "yLAe+w7WUeUuqbV9h/TX78u21oTGi+i9Zp1u3PpnY60=");
  const other = { sdkAppId: 1_400_000_000, identifier: "xiaojun", issuedAt: 1_600_000_000, lifetimeS: 15_552_000 };
  assert.equal(signature(other, KEY), "1Z5PngDjGaufeSiPoBuxdHY7EK3JTdAjMP93S4KvV3M=");
});

test("a UserSig is zlib in base64 with characters that a URL may contain", () => {
  const text = sign({ ...ADMIN, identifier: "管理员 +/=" }, KEY);
  assert.match(text, /^[A-Za-z0-9*_-]+$/);
  const base64 = text.replaceAll("*", "+").replaceAll("-", "/").replaceAll("_", "=");
  const json = JSON.parse(inflateSync(Buffer.from(base64, "base64")).toString()) as Record<string, unknown>;
  assert.equal(json["TLS.identifier"], "管理员 +/=");
  assert.equal(json["TLS.sdkappid"], 1_400_000_000);
  assert.equal(json["TLS.ver"], "2.0");
});
