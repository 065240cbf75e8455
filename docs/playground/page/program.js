// The Go program in its worker, as functions that promise an answer.
import workerSource from "built:worker";

export class Program {
  constructor() {
    this.url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    this.program = Uint8Array.from(atob(document.getElementById("program").textContent), (c) => c.charCodeAt(0));
    this.next = 1;
    this.start();
  }

  start() {
    this.waiting = new Map();
    this.worker = new Worker(this.url);
    this.worker.onmessage = ({ data }) => {
      if (data.failed) {
        this.fail(data.failed);
        return;
      }
      this.waiting.get(data.id).resolve(data.answer);
      this.waiting.delete(data.id);
    };
    this.worker.onerror = (event) => this.fail(event.message);
    this.worker.postMessage({ program: this.program });
  }

  // fail ends a program that crashed: what is left of it may answer nonsense. The
  // next call starts another.
  fail(message) {
    this.worker.onmessage = this.worker.onerror = null;
    this.worker.terminate();
    this.worker = null;
    this.waiting.forEach(({ reject }) => reject(new Error(message)));
  }

  call(op, request) {
    if (!this.worker) {
      this.start();
    }
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, op, request });
    });
  }
}
