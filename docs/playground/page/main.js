import examples from "built:examples";
import { Editor } from "./editor.js";
import { decode, encode } from "./link.js";
import { Program } from "./program.js";
import { editButton, el, findings, result } from "./result.js";

const $ = (id) => document.getElementById(id);
const fields = ["uid", "gid", "from", "to", "behind", "port", "proto"];

const program = new Program();
const editor = new Editor($("editor"), () => ask(150));

// What is asked

const direction = () => document.querySelector("input[name=direction]:checked").value;

function connection() {
  const c = { direction: direction(), port: $("port").value.trim(), proto: $("proto").value };
  return c.direction === "outbound"
    ? { ...c, uid: $("uid").value.trim(), gid: $("gid").value.trim(), to: $("to").value.trim() }
    : { ...c, from: $("from").value.trim(), to: $("behind").value.trim() };
}

function request() {
  return {
    manifest: editor.text, workload: $("workload").value, mode: $("mode").value, assume: $("assume").checked,
    release: $("release").value.trim(), connection: connection(), width: Math.floor($("answer").clientWidth),
  };
}

// set fills the page with a question: an example's, or a link's.
function set(q) {
  const c = { uid: "", gid: "", from: "", to: "", port: "", proto: "tcp", direction: "outbound", ...q.connection };
  editor.load(String(q.manifest ?? ""));
  $(c.direction === "inbound" ? "inbound" : "outbound").checked = true;
  fields.forEach((f) => ($(f).value = String(c[f] ?? "")));
  if (c.direction === "inbound") {
    $("behind").value = c.to;
    $("to").value = "";
  }
  $("proto").value = c.proto === "udp" ? "udp" : "tcp";
  $("mode").value = q.mode === "cni" ? "cni" : "init";
  $("assume").checked = q.assume === true;
  $("release").value = String(q.release ?? "");
  const id = String(q.workload ?? "");
  $("workload").replaceChildren(el("option", { value: id }, id));
  ask(0);
}

// Asking: while one question is with the program, only the newest waits.

let timer = 0, asking = false, again = false;

function busy(is) {
  if (is) {
    $("answer").setAttribute("aria-busy", "true");
  } else {
    $("answer").removeAttribute("aria-busy");
  }
}

function ask(delay) {
  busy(true);
  clearTimeout(timer);
  timer = setTimeout(now, delay);
}

async function now() {
  clearTimeout(timer);
  timer = 0;
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  const asked = request();
  const answer = await program.call("answer", asked).catch(failed);
  asking = false;
  if (again) {
    again = false;
    ask(0);
  }
  if (asked.manifest === editor.text) {
    show(answer);
  }
  if (!timer) {
    busy(false);
  }
}

// failed is the answer in the place of one that the program did not give.
const failed = (err) => ({ findings: [], summary: "", wrong: `The program failed: ${err.message}` });

// Showing

const act = {
  goTo: (line) => editor.goTo(line || 1),
  copy: (text) => copy(text, "Copied."),
  async apply(edit) {
    busy(true);
    const done = await program.call("apply", { ...request(), edit }).catch(failed);
    const what = edit.annotations.map((a) => `${a.key}: "${a.value}"`).join(", ");
    if (done.wrong) {
      busy(false);
      note(`Write it by hand, as annotations of the pods: ${what}. ${done.wrong}.`);
      return;
    }
    editor.replace(done.manifest);
    note(`Written: ${what}.`, el("button", { type: "button", onclick: () => { editor.undo(); note("Undone."); $("answer").focus(); } }, "Undo"));
    await now();
    $("answer").focus({ preventScroll: true });
    say(`Written: ${what}. ${spoken}`);
  },
};

// say tells those who cannot see it.
let spoken = "";
function say(text) {
  $("live").textContent = text;
}

function note(text, button) {
  $("note")?.remove();
  $("answer").prepend(el("p", { id: "note", class: "note" }, text, " ", button));
  say(text);
}

function show(answer) {
  editor.show(answer.findings);
  $("counts").textContent = answer.summary.split(";")[0];
  $("findings").replaceChildren(...(answer.findings.length > 0
    ? [el("h3", {}, "Findings"), el("ul", {}, ...findings(answer.findings, act)), el("p", { class: "soft" }, answer.summary)]
    : [el("p", { class: "soft" }, answer.wrong ? "" : "No findings. " + answer.summary)]));

  $("broken").hidden = !answer.wrong;
  $("result").classList.toggle("stale", Boolean(answer.wrong));
  if (answer.wrong) {
    $("broken").replaceChildren(answer.wrong, " ");
    if (answer.line) {
      $("broken").append(el("button", { type: "button", class: "line", onclick: () => act.goTo(answer.line) }, `Line ${answer.line}`));
    }
    if (document.querySelector("#result .loading")) {
      $("result").replaceChildren();
    }
    hear(answer.wrong);
    return;
  }
  showWorkload(answer);
  showField(answer);
  const kept = document.activeElement?.dataset?.key;
  $("result").replaceChildren(...result(answer, act));
  if (kept && document.activeElement === document.body) {
    document.querySelector(`[data-key="${CSS.escape(kept)}"]`)?.focus();
  }
  const e = answer.explanation;
  hear(e ? `${e.verdict}: ${e.why}` : answer.fieldWrong || answer.workload.wrong || "");
  document.documentElement.dataset.firstAnswer ??= Math.round(performance.now());
}

// hear says an answer if it is another one than before.
function hear(text) {
  if (text !== spoken) {
    spoken = text;
    say(text);
  }
}

function showWorkload({ workloads, workload: w }) {
  $("workload").replaceChildren(...workloads.map((c) => el("option", { value: c.id, selected: c.id === w.id }, c.injected ? c.name : `${c.name} (not injected)`)));
  $("injected").textContent = w.injected ? "injected" : "not injected";
  $("injected").className = "badge " + (w.injected ? "yes" : "no");
  $("why").textContent = w.why;
  $("inject").replaceChildren(...(w.inject ? [editButton(w.inject, act)] : []));
}

function showField({ field, fieldWrong }) {
  const inputs = { uid: "uid", gid: "gid", from: "from", to: direction() === "outbound" ? "to" : "behind", port: "port", proto: "proto", direction: "outbound" };
  for (const id of fields) {
    $(id).removeAttribute("aria-invalid");
    $(id).removeAttribute("aria-describedby");
  }
  $("wrong").hidden = !field;
  if (field) {
    $(inputs[field]).setAttribute("aria-invalid", "true");
    $(inputs[field]).setAttribute("aria-describedby", "wrong");
  }
  const text = field ? fieldWrong : "";
  if ($("wrong").textContent !== text) {
    $("wrong").textContent = text;
  }
}

function showDirection() {
  for (const e of document.querySelectorAll("[data-for]")) {
    e.hidden = e.dataset.for !== direction();
  }
}

// Links and files

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    note(done);
  } catch { // not allowed here: to copy by hand
    const input = el("input", { value: text, readonly: true, "aria-label": "To copy" });
    note("Copy it by hand: ", input);
    input.select();
  }
}

$("share").onclick = async () => {
  const { width, ...state } = request();
  const fragment = await encode(state);
  history.replaceState(null, "", fragment);
  const long = fragment.length > 30000 ? ` It has ${fragment.length} characters: mail and chat programs may cut it.` : "";
  await copy(location.href, `Link copied.${long} It carries the manifest itself: do not send it to whom the manifest is not meant for.`);
};

$("save").onclick = () => {
  const url = URL.createObjectURL(new Blob([editor.text], { type: "application/yaml" }));
  el("a", { href: url, download: "manifest.yaml" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

async function open() {
  let state = null;
  try {
    state = await decode(location.hash);
  } catch {
    note("The link is not whole: a program on its way has cut it. This is the first example.");
  }
  $("example").value = state ? "" : examples[0].file;
  set(state ?? examples[0]);
  showDirection();
}

$("example").append(el("option", { value: "" }, "your own"), ...examples.map((e) => el("option", { value: e.file }, e.title)));
$("example").onchange = () => {
  const chosen = examples.find((e) => e.file === $("example").value);
  if (chosen) {
    history.replaceState(null, "", location.pathname + location.search);
    set(chosen);
    showDirection();
  }
};
$("form").oninput = () => { showDirection(); ask(60); };
$("form").onsubmit = (event) => event.preventDefault();
window.addEventListener("hashchange", () => location.hash.startsWith("#q=") && open());

let width = 0;
new ResizeObserver(() => {
  if (Math.abs($("answer").clientWidth - width) > 8) {
    width = $("answer").clientWidth;
    ask(100);
  }
}).observe($("answer"));

open();
