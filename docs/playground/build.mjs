// Builds the page: one file, with the Go program, the styles and the scripts in it,
// so that it needs no server and asks nobody for anything.
//
//   node build.mjs FOLDER VERSION
//
// The Go program is built here too. Nothing is downloaded.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const [folder, version = "devel"] = process.argv.slice(2);
const read = (...parts) => readFileSync(path.join(here, ...parts), "utf8");

const forWasm = { ...process.env, GOOS: "js", GOARCH: "wasm", CGO_ENABLED: "0" };
const go = (...args) => execFileSync("go", args, { cwd: here, env: forWasm, encoding: "utf8", maxBuffer: 1 << 24 }).trim();

mkdirSync(folder, { recursive: true });
const binary = path.resolve(folder, "shunt.wasm");
go("build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", binary, "./wasm");
const program = zlib.gzipSync(readFileSync(binary), { level: 9 });
rmSync(binary);

const goroot = go("env", "GOROOT");
const worker = esbuild.transformSync(readFileSync(path.join(goroot, "lib/wasm/wasm_exec.js"), "utf8") + read("page/worker.js"), { minify: true }).code;

// The manifests of docs/examples: first those with a question of their own.
function examples() {
  const known = JSON.parse(read("page/examples.json"));
  const dir = path.join(here, "../examples");
  for (const file of readdirSync(dir).filter((f) => f.endsWith(".yaml")).sort()) {
    if (!known.some((e) => e.file === file)) {
      known.push({ file, title: path.basename(file, ".yaml"), connection: { direction: "outbound", uid: "1000", to: "10.96.0.20", port: "80" } });
    }
  }
  return known.map((e) => ({ ...e, manifest: readFileSync(path.join(dir, e.file), "utf8") }));
}

const built = {
  name: "built",
  setup(build) {
    build.onResolve({ filter: /^built:/ }, ({ path }) => ({ path, namespace: "built" }));
    build.onLoad({ filter: /.*/, namespace: "built" }, ({ path }) => ({
      loader: "json",
      contents: JSON.stringify({ "built:worker": worker, "built:examples": examples() }[path]),
    }));
  },
};

const bundle = await esbuild.build({
  absWorkingDir: here, entryPoints: ["page/main.js"], bundle: true, write: false, minify: true, metafile: true,
  format: "iife", target: "es2022", charset: "utf8", legalComments: "none", plugins: [built],
});
const script = bundle.outputFiles[0].text;
const style = esbuild.transformSync(read("page/style.css"), { loader: "css", minify: true }).code;

// The licences of everything that is in the page.
function licences() {
  const found = new Map([["The Go standard library", readFileSync(path.join(goroot, "LICENSE"), "utf8")]]);
  const add = (name, dir) => {
    const file = existsSync(dir) && readdirSync(dir).find((f) => /^licen[cs]e/i.test(f));
    if (!file) {
      throw new Error(`${name} has no licence in ${dir}`);
    }
    found.set(name, readFileSync(path.join(dir, file), "utf8"));
  };
  for (const line of new Set(go("list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./wasm").split("\n"))) {
    const [name, dir] = line.split(" ");
    if (name) {
      add(name, dir);
    }
  }
  for (const input of Object.keys(bundle.metafile.inputs).sort()) {
    const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
    if (name) {
      add(name, path.join(here, "node_modules", name));
    }
  }
  return [...found].map(([name, text]) => `${name}\n\n${text.trim()}\n`).join("\n\n");
}

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
if (/<\/script/i.test(script) || script.includes("<!--")) {
  throw new Error("the script would end early in the page");
}
// The browser is told to refuse every request, whoever would make it.
const policy = [
  "default-src 'none'", `script-src 'sha256-${createHash("sha256").update(script).digest("base64")}' 'wasm-unsafe-eval'`,
  "style-src 'unsafe-inline'", "img-src data:", "worker-src blob:", "base-uri 'none'", "form-action 'none'",
].join("; ");

const parts = { policy, style, script, version: escape(version), licences: escape(licences()), program: program.toString("base64") };
const page = read("page/index.html").replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
writeFileSync(path.join(folder, "index.html"), page);

const kB = (n) => `${Math.round(n / 1000)} kB`;
console.log(`${path.join(folder, "index.html")}: ${kB(Buffer.byteLength(page))}, compressed ${kB(zlib.gzipSync(page, { level: 9 }).length)}` +
  ` (program ${kB(program.length)}, script ${kB(zlib.gzipSync(script, { level: 9 }).length)})`);
