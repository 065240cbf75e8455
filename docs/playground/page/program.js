// The Go program in its worker, as functions that promise an answer.
import workerSource from "built:worker";

export class Program {
  constructor(onFailure) {
    this.waiting = new Map();
    this.next = 1;
    const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.worker.onmessage = ({ data }) => {
      if (data.failed) {
        onFailure(data.failed);
        return;
      }
      this.waiting.get(data.id)(data.answer);
      this.waiting.delete(data.id);
    };
    this.worker.onerror = (event) => onFailure(event.message);
    const bytes = Uint8Array.from(atob(document.getElementById("program").textContent), (c) => c.charCodeAt(0));
    this.worker.postMessage({ program: bytes }, [bytes.buffer]);
  }

  call(op, request) {
    return new Promise((resolve) => {
      const id = this.next++;
      this.waiting.set(id, resolve);
      this.worker.postMessage({ id, op, request });
    });
  }
}
