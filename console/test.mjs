// Bundles the tests of a folder and runs them. Further arguments go to `node --test`.
//
//   node test.mjs test        unit tests
//   node test.mjs e2e         the page in a browser, with target/debug/earmark

import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import * as esbuild from "esbuild";

const [folder = "test", ...flags] = process.argv.slice(2);
const outdir = "node_modules/.tests";
const files = (await readdir(folder)).filter((name) => name.endsWith(".test.ts"));

await esbuild.build({
  entryPoints: files.map((name) => `${folder}/${name}`),
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
});

const built = files.map((name) => `${outdir}/${name.replace(/\.ts$/, ".mjs")}`);
const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", ...flags, ...built], { stdio: "inherit" });
process.exit(status ?? 1);
