// Builds the page into dist/. The same sources give the same bytes on every machine.
//
//   node build.mjs            builds once
//   node build.mjs --watch    builds again after every change

import { cp, mkdir, rm } from "node:fs/promises";
import * as esbuild from "esbuild";

const options = {
  entryPoints: [{ in: "src/main.tsx", out: "app" }, { in: "src/style/app.css", out: "app" }],
  entryNames: "[name]",
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox121", "safari17.5"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
for (const file of ["index.html", "icon.svg"]) await cp(`src/${file}`, `dist/${file}`);

if (process.argv.includes("--watch")) {
  const context = await esbuild.context({ ...options, logLevel: "info" });
  await context.watch();
} else {
  await esbuild.build(options);
}
