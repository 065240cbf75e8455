// What an answer looks like. Texts come from manifests, so they are only ever
// written as text; the drawing is parsed as an image that has no scripts.

export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      e.addEventListener(name.slice(2), value);
    } else if (value !== undefined && value !== false) {
      e.setAttribute(name, value === true ? "" : value);
    }
  }
  e.append(...children.filter((c) => c !== undefined && c !== null));
  return e;
}

const none = (value) => (value === "" || value === "-1" ? "none" : value);

// A list breaks after its commas.
const list = (text) => text.split(/(?<=,)(?=\S)/).flatMap((part) => [part, el("wbr")]);

const verdict = (v) => (v.port ? `${v.action} to :${v.port}` : v.action);

const kind = (text) => (text.startsWith("redirect") ? "proxy" : "past");

function drawing(svg) {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  return document.importNode(parsed, true);
}

const written = (edit) => edit.annotations.map((a) => `${a.key}: "${a.value}"`);

// editButton is what writes annotations into the manifest.
export function editButton(edit, act) {
  return el("button", { type: "button", class: "edit", "data-key": written(edit).join(), onclick: () => act.apply(edit) },
    el("span", { class: "do" }, "Write"), el("code", {}, written(edit).join("\n")));
}

function change(c, act) {
  const item = el("li");
  c.settings.forEach((s, i) => {
    const last = i === c.settings.length - 1;
    item.append(el("p", {}, el("b", {}, s.setting), " is ", el("code", {}, short(s.value) || "empty"), ` (${s.source}); ${s.do}: `,
      last ? el("b", { class: "then " + kind(verdict(s.then)) }, verdict(s.then)) : "and"));
  });
  if (c.edit) {
    item.append(editButton(c.edit, act));
  } else {
    item.append(el("p", { class: "soft" }, c.settings.some((s) => s.setting.startsWith("proxy-"))
      ? "It is the proxy's own identity: nothing to change in a manifest."
      : "No annotation says it: it is a setting of the installation, or an argument of the init container that the pod has already."));
  }
  return item;
}

const short = (text) => (text.length > 64 ? text.slice(0, 64) + "…" : text);

function explained(e, act) {
  const parts = [
    el("h2", { class: "hidden" }, "What happens to it"),
    el("div", { class: "verdict " + kind(e.verdict) },
      el("p", { class: "what" }, e.connection),
      el("p", { class: "pill", id: "verdict" }, e.verdict),
      el("dl", {}, el("dt", {}, "Why"), el("dd", { id: "because" }, e.why), el("dt", {}, "Lands on"), el("dd", { id: "lands" }, e.lands))),
    el("figure", { id: "way" }, drawing(e.svg)),
  ];
  if (e.changes.length > 0) {
    parts.push(el("h2", {}, "What would change it"), el("ul", { class: "changes", id: "changes" }, ...e.changes.map((c) => change(c, act))));
  }
  if (e.hints.length > 0) {
    parts.push(el("h2", {}, "Note"), el("ul", { class: "hints" }, ...e.hints.map((h) => el("li", {}, h))));
  }
  return parts;
}

function table(id, label, head, rows) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    el("table", { id }, el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, ...rows)));
}

function planned(w) {
  const rules = (chain) => w.rules.filter((r) => r.chain === chain).map((r) => el("tr", { class: r.decides ? "on " + kind(r.verdict) : "" },
    el("th", { scope: "row" }, `${r.number} ${r.name}`, r.decides ? el("span", { class: "decides" }, "decides") : undefined),
    el("td", {}, ...list(r.match)), el("td", { class: "fixed" }, r.verdict), el("td", { class: "prose" }, r.reason)));
  return [
    el("h2", {}, "The plan"),
    table("inbound-rules", "Inbound rules", ["Inbound", "Match", "Verdict", "Why"], rules("inbound")),
    table("outbound-rules", "Outbound rules", ["Outbound", "Match", "Verdict", "Why"], rules("outbound")),
    el("p", { class: "soft" }, `The first rule that matches decides; what matches none is bypassed. UDP is never touched. IPv6: ${w.ipv6}.`),
    el("h2", {}, "Every setting, and where it comes from"),
    table("settings", "Settings", ["Setting", "Value", "Source"], w.settings.map((s) => el("tr", { class: s.source === "default" ? "" : "given" },
      el("th", { scope: "row" }, s.setting), el("td", {}, ...list(none(s.value))), el("td", {}, s.source)))),
  ];
}

function commands(answer, act) {
  const lines = answer.commands.map((c) => el("li", {},
    el("code", { "data-verb": c.verb }, c.line),
    el("button", { type: "button", class: "copy", "data-key": "copy " + c.verb, "aria-label": `Copy: shunt ${c.verb}`, onclick: () => act.copy(c.line) }, "Copy")));
  const text = answer.explanation
    ? el("details", {}, el("summary", {}, "What it prints"), el("pre", { id: "transcript", tabindex: "0", "aria-label": "What shunt explain prints" }, answer.explanation.text)) : undefined;
  return [el("h2", {}, "The same in a terminal"), el("ul", { class: "commands" }, ...lines), text];
}

// result returns the right side below the form.
export function result(answer, act) {
  const w = answer.workload;
  const parts = [];
  if (w.wrong) {
    parts.push(el("p", { class: "wrong" }, `${w.name}: ${w.wrong}`));
  }
  for (const warning of w.warnings) {
    parts.push(el("p", { class: "warning" }, warning));
  }
  if (answer.explanation) {
    parts.push(...explained(answer.explanation, act));
  }
  if (w.rules.length > 0) {
    parts.push(...planned(w));
  }
  parts.push(...commands(answer, act));
  return parts.filter((p) => p);
}

// findings returns the list below the editor.
export function findings(found, act) {
  return found.map((f) => el("li", { class: f.severity },
    el("button", { type: "button", class: "line", "data-key": `finding ${f.line} ${f.rule}`, onclick: () => act.goTo(f.line) }, f.line ? `Line ${f.line}` : "Manifest"),
    el("div", {},
      el("p", {}, el("b", { class: "severity" }, f.severity), " ", f.object ? f.object + ": " : "", f.message, " ", el("span", { class: "soft" }, `[${f.rule}]`)),
      f.fix ? el("p", { class: "fix" }, el("span", { class: "soft" }, "Write: "), f.fix) : undefined)));
}
