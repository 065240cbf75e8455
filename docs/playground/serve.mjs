// Serves the built page on loopback until it is interrupted: node serve.mjs FOLDER [PORT].
import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";

const [folder, port = "8017"] = process.argv.slice(2);
const page = readFileSync(path.join(folder, "index.html"));

const server = http.createServer((request, response) => {
  if (new URL(request.url, "http://localhost").pathname === "/") {
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(page);
  } else {
    response.writeHead(404).end();
  }
});
server.on("error", (err) => {
  console.error(`serve the playground: ${err.message}: give another port, as in make playground PORT=8018`);
  process.exitCode = 1;
});
server.listen(Number(port), "127.0.0.1", () =>
  console.log(`http://127.0.0.1:${server.address().port}/\n${path.resolve(folder, "index.html")} is the same without a server. Ctrl-C ends it.`));
