// The editor of the manifest: CodeMirror with line numbers, and the findings
// beside the lines.
import { defaultKeymap, history, historyKeymap, undo } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--key)" },
  { tag: [tags.string, tags.content], color: "var(--ink)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.separator, tags.punctuation, tags.meta], color: "var(--soft)" },
  { tag: [tags.keyword, tags.labelName, tags.typeName], color: "var(--proxy)" },
]);

const theme = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--ink)", backgroundColor: "var(--paper)" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-gutters": { backgroundColor: "var(--paper)", color: "var(--soft)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--line)" },
  ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused": { outline: "none" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--selection)" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--edge)", borderRadius: "8px", overflow: "hidden", maxWidth: "min(520px, 90vw)" },
  ".cm-diagnostic": { whiteSpace: "pre-wrap", padding: "8px 12px", fontFamily: "system-ui, sans-serif" },
  ".cm-panels": { backgroundColor: "var(--box)", color: "var(--ink)" },
  ".cm-panel.cm-search input, .cm-panel.cm-search button": { font: "inherit" },
});

export class Editor {
  constructor(parent, onChange) {
    this.silent = false;
    this.extensions = [
      lineNumbers(), highlightActiveLineGutter(), highlightActiveLine(), history(), drawSelection(), indentOnInput(), yaml(),
      syntaxHighlighting(colours), lintGutter(), highlightSelectionMatches(), search({ top: true }), theme,
      keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap]),
      EditorView.contentAttributes.of({ "aria-label": "Manifest, YAML", tabindex: "0", spellcheck: "false" }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged && !this.silent) {
          onChange();
        }
      }),
    ];
    this.view = new EditorView({ parent, state: this.state("") });
  }

  state(text) {
    return EditorState.create({ doc: text, extensions: this.extensions });
  }

  get text() {
    return this.view.state.doc.toString();
  }

  // load begins with another manifest, which cannot be undone.
  load(text) {
    this.silent = true;
    this.view.setState(this.state(text));
    this.silent = false;
  }

  // replace makes the text another one by its smallest change, and shows it.
  replace(text) {
    const old = this.text;
    let from = 0;
    while (from < old.length && from < text.length && old[from] === text[from]) {
      from++;
    }
    let end = 0;
    while (end < Math.min(old.length, text.length) - from && old[old.length - 1 - end] === text[text.length - 1 - end]) {
      end++;
    }
    this.view.dispatch({
      changes: { from, to: old.length - end, insert: text.slice(from, text.length - end) },
      selection: { anchor: from, head: text.length - end },
      effects: EditorView.scrollIntoView(from, { y: "center" }),
      userEvent: "input.change",
    });
  }

  undo() {
    undo(this.view);
  }

  // show puts the findings beside their lines.
  show(findings) {
    const { doc } = this.view.state;
    const diagnostics = findings.map((f) => {
      const line = doc.line(Math.min(Math.max(f.line || 1, 1), doc.lines));
      const indent = line.text.length - line.text.trimStart().length;
      return {
        from: line.from + indent,
        to: Math.max(line.to, line.from + indent),
        severity: f.severity === "note" ? "info" : f.severity,
        source: f.rule,
        message: f.fix ? `${f.message}\nWrite: ${f.fix}` : f.message,
      };
    });
    diagnostics.sort((a, b) => a.from - b.from);
    this.view.dispatch(setDiagnostics(this.view.state, diagnostics));
  }

  // goTo puts the cursor on a line.
  goTo(number) {
    const { doc } = this.view.state;
    const line = doc.line(Math.min(Math.max(number, 1), doc.lines));
    this.view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    this.view.focus();
  }
}
