// <code-editor> makes an editor of the text area inside it: the area stays the
// real control (undo, IME, phones, screen readers); a painted copy lies under
// its transparent text, coloured by the CSS Custom Highlight API.
"use strict";
const jsToken = /\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)|"(?:\\[^]|[^"\\\n])*"?|'(?:\\[^]|[^'\\\n])*'?|`(?:\\[^]|[^`\\])*`?|\d[\w.]*|[A-Za-z_$][\w$]*|[^]/y;
const jsonToken = /\{\{|"(?:\\[^]|(?!\{\{)[^"\\\n])*"?|-?\d[\d.eE+-]*|[A-Za-z]+|[^]/y;
const words = new Set("async await break case catch class const continue default delete do else false finally for function if in instanceof let new null of return switch this throw true try typeof undefined var void while yield".split(" "));

// scan calls paint(kind, from, to) for every coloured piece of the text.
function scan(text, lang, paint) {
  let i = 0, depth = 0, inTag = lang === "js";
  while (i < text.length) {
    if (inTag) {
      if (lang !== "js" && depth === 0 && text.startsWith("}}", i)) {
        paint("tag", i, (i += 2));
        inTag = false;
        continue;
      }
      i = code(text, i, paint, (by) => (depth = Math.max(0, depth + by)));
      continue;
    }
    if (lang === "template" && text.startsWith("{{", i)) {
      const open = /\{\{(?:[!=]|[@#/]\w+)?/y;
      open.lastIndex = i;
      paint("tag", i, (i += open.exec(text)[0].length));
      inTag = true;
      depth = 0;
      continue;
    }
    i = data(text, i, lang, paint);
  }
}

function code(text, i, paint, nest) {
  jsToken.lastIndex = i;
  const t = jsToken.exec(text)[0], end = i + t.length, c = t[0];
  if (t.startsWith("//") || t.startsWith("/*")) paint("note", i, end);
  else if (c === '"' || c === "'" || c === "`") paint("str", i, end);
  else if (c >= "0" && c <= "9") paint("num", i, end);
  else if (words.has(t)) paint("word", i, end);
  else if (/[\w$]/.test(c) && text[end] === "(") paint("call", i, end);
  else if (c === "{") nest(1);
  else if (c === "}") nest(-1);
  return end;
}

function data(text, i, lang, paint) {
  if (lang === "text") return text.indexOf("{{", i + 1) < 0 ? text.length : text.indexOf("{{", i + 1);
  jsonToken.lastIndex = i;
  const t = jsonToken.exec(text)[0], end = i + t.length;
  if (t[0] === '"') paint(/^\s*:/.test(text.slice(end, end + 20)) ? "key" : "str", i, end);
  else if (/^-?\d/.test(t)) paint("num", i, end);
  else if (t === "true" || t === "false" || t === "null") paint("word", i, end);
  return end;
}

class CodeEditor extends HTMLElement {
  connectedCallback() {
    const area = this.querySelector("textarea");
    if (!area || this.area) return;
    this.area = area;
    this.gutter = make("div", "editor-gutter");
    this.paint = make("pre", "editor-paint");
    const wrap = make("div", "editor-area");
    wrap.removeAttribute("aria-hidden");
    this.style.setProperty("--rows", area.rows);
    area.before(this.gutter, wrap);
    wrap.append(this.paint, area);
    area.addEventListener("input", () => this.draw());
    area.addEventListener("keydown", (e) => this.key(e));
    area.addEventListener("blur", () => (this.leave = false));
    this.line = Number(this.dataset.errorLine) || 0;
    this.draw();
    this.classList.add("ready");
  }

  disconnectedCallback() {
    this.colour([]);
  }

  // mark shows a line as wrong; 0 takes the mark away.
  mark(line) {
    this.line = line;
    this.numbers();
  }

  draw() {
    const text = this.area.value;
    this.paint.textContent = text + "\n";
    this.numbers();
    const node = this.paint.firstChild, found = [];
    if (window.Highlight && text.length < 200000) {
      scan(text, this.dataset.lang, (kind, from, to) => {
        const r = new StaticRange({ startContainer: node, startOffset: from, endContainer: node, endOffset: to });
        found.push([kind, r]);
      });
    }
    this.colour(found);
  }

  // Highlights are shared by all editors of a page: drop ours, add the new ones.
  colour(found) {
    if (!window.Highlight) return;
    (this.ranges || []).forEach(([kind, r]) => CSS.highlights.get("w-" + kind)?.delete(r));
    for (const [kind, r] of found) {
      const name = "w-" + kind;
      if (!CSS.highlights.has(name)) CSS.highlights.set(name, new Highlight());
      CSS.highlights.get(name).add(r);
    }
    this.ranges = found;
  }

  numbers() {
    const count = this.area.value.split("\n").length;
    while (this.gutter.children.length > count) this.gutter.lastChild.remove();
    while (this.gutter.children.length < count) {
      const n = document.createElement("span");
      n.textContent = this.gutter.children.length + 1;
      this.gutter.append(n);
    }
    this.gutter.querySelectorAll(".bad").forEach((n) => n.classList.remove("bad"));
    if (this.line > 0 && this.line <= count) this.gutter.children[this.line - 1].classList.add("bad");
  }

  key(e) {
    if (this.completer?.key(e)) return e.preventDefault();
    if (e.key === "Escape") this.leave = true;
    else if (e.key === "Tab" && !this.leave && !e.ctrlKey && !e.altKey && !e.metaKey) {
      e.preventDefault();
      this.indent(e.shiftKey);
    } else if (e.key !== "Shift" && e.key !== "Tab") this.leave = false;
  }

  // indent goes through execCommand, the only way that keeps the native undo.
  indent(back) {
    const { value, selectionStart: from, selectionEnd: to } = this.area;
    const start = value.lastIndexOf("\n", from - 1) + 1;
    if (!back && from === to) return void document.execCommand("insertText", false, "  ");
    const lines = value.slice(start, to);
    const changed = back ? lines.replace(/^ {1,2}|^\t/gm, "") : lines.replace(/^(?=.)/gm, "  ");
    if (changed === lines) return;
    this.area.setSelectionRange(start, to);
    document.execCommand(changed ? "insertText" : "delete", false, changed);
    this.area.setSelectionRange(from === to ? Math.max(start, to + changed.length - lines.length) : start, start + changed.length);
  }
}

function make(tag, name) {
  const el = document.createElement(tag);
  el.className = name;
  el.setAttribute("aria-hidden", "true");
  return el;
}

customElements.define("code-editor", CodeEditor);

// Format asks the server, which knows the language, and types its answer: the browser's undo takes it back.
document.addEventListener("click", async (e) => {
  const button = e.target.closest && e.target.closest("button[data-format]");
  const area = button && document.getElementById(button.dataset.format);
  if (!area) return;
  e.preventDefault();
  try {
    const res = await fetch(button.formAction, { method: "POST", headers: { Accept: "text/plain" }, body: new URLSearchParams(new FormData(button.form)) });
    const text = await res.text();
    if (res.status === 401) return ended();
    if (!res.ok) return toast("bad", res.status === 422 ? text : tell("The template could not be formatted."));
    if (text === area.value) return toast("ok", tell("Nothing to format"));
    area.focus();
    area.select();
    document.execCommand("insertText", false, text);
    area.setSelectionRange(0, 0);
    area.scrollTop = 0;
  } catch {
    toast("bad", tell("The server did not answer. Try again."));
  }
});

// A preview that came by htmx says where the text is wrong, or that all is well.
document.addEventListener("htmx:after:swap", () => {
  const note = document.querySelector("[data-editor-for]");
  const area = note && document.getElementById(note.dataset.editorFor);
  document.querySelectorAll("code-editor").forEach((ed) => ed.mark && ed.mark(area && ed.contains(area) ? Number(note.dataset.line) : 0));
});
