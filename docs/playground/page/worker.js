// The worker runs the Go program, so that the page never waits for it. Go's own
// wasm_exec.js stands before this file; the first message is the program.
"use strict";

let queue = [];

self.shuntReady = () => {
  const waiting = queue;
  queue = null;
  waiting.forEach(answer);
};

function answer({ id, op, request }) {
  const call = op === "apply" ? self.shuntApply : self.shuntAnswer;
  self.postMessage({ id, answer: JSON.parse(call(JSON.stringify(request))) });
}

async function start(compressed) {
  const program = new Response(new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip")));
  const go = new Go();
  const { instance } = await WebAssembly.instantiate(await program.arrayBuffer(), go.importObject);
  await go.run(instance);
  throw new Error("the program ended");
}

self.onmessage = ({ data }) => {
  if (data.program) {
    start(data.program).catch((err) => self.postMessage({ failed: String(err) }));
  } else if (queue) {
    queue.push(data);
  } else {
    answer(data);
  }
};
