// Suggestions in the template editor: members of `it` as the chosen event has them, names that stand for a part of it, and the
// helper functions. A listbox that the text area controls; arrows choose, Enter or Tab take, Esc closes.
"use strict";
const ofText = ["length", "toLowerCase()", "toUpperCase()", "trim()", "split()", "includes()", "slice()", "replace()"];
const ofList = ["length", "map()", "filter()", "find()", "some()", "join()", "reduce()"];

// parsed reads a data attribute; null when it is not there or no JSON.
function parsed(el, name) {
  try {
    return el ? JSON.parse(el.dataset[name]) : null;
  } catch {
    return null;
  }
}

// brief says in a few characters what a value is.
function brief(v) {
  if (Array.isArray(v)) return "list";
  if (v === null) return "null";
  return typeof v === "object" ? "object" : String(v);
}

class Completer {
  constructor(editor) {
    this.editor = editor;
    this.area = editor.area;
    this.box = document.createElement("div");
    this.box.className = "complete";
    this.box.popover = "manual";
    this.list = document.createElement("ul");
    this.list.id = this.area.id + "-suggestions";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", tell("Suggestions"));
    this.status = document.createElement("p");
    this.status.className = "sr-only";
    this.status.setAttribute("role", "status");
    this.box.append(this.list);
    editor.append(this.box, this.status);
    this.area.setAttribute("aria-autocomplete", "list");
    this.area.setAttribute("aria-controls", this.list.id);
    this.area.addEventListener("input", (e) => this.typed(e));
    this.area.addEventListener("blur", () => this.close());
    this.area.addEventListener("click", () => this.close());
    editor.addEventListener("scroll", () => this.close());
    // Not the focus: that stays in the text.
    this.box.addEventListener("mousedown", (e) => {
      e.preventDefault();
      const option = e.target.closest("[role=option]");
      if (option) this.take(option);
    });
  }

  get open() {
    return this.box.matches(":popover-open");
  }

  close() {
    if (!this.open) return;
    this.box.hidePopover();
    this.area.removeAttribute("aria-activedescendant");
    this.status.textContent = "";
  }

  typed(e) {
    if (e.inputType === "insertText" && /[\w$.]/.test(e.data || "")) return this.suggest(false);
    if (this.open && e.inputType.startsWith("delete")) return this.suggest(false);
    this.close();
  }

  // key reports whether it has dealt with a key.
  key(e) {
    if (e.key === " " && e.ctrlKey && !e.altKey && !e.metaKey) {
      this.suggest(true);
      return true;
    }
    if (!this.open || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return false;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") this.move(e.key === "ArrowDown" ? 1 : -1);
    else if (e.key === "Enter" || (e.key === "Tab" && !e.shiftKey)) this.take(this.active);
    else if (e.key === "Escape") this.close();
    else return false;
    return true;
  }

  suggest(asked) {
    const at = this.area.selectionStart;
    const before = this.area.value.slice(0, at);
    if (at !== this.area.selectionEnd || before.lastIndexOf("{{") <= before.lastIndexOf("}}")) return this.close();
    const chain = /[\w$.[\]?]*$/.exec(before)[0];
    const dot = chain.lastIndexOf(".");
    this.word = chain.slice(dot + 1);
    if (dot < 0 && !this.word && !asked) return this.close();
    const found = (dot < 0 ? this.names(before) : this.members(chain.slice(0, dot).replace(/\?$/, ""), before))
      .filter(([name]) => name.toLowerCase().startsWith(this.word.toLowerCase()) && name !== this.word);
    this.show(found.slice(0, 40), at);
  }

  // names are what can begin an expression.
  names(before) {
    const own = Object.keys(this.aliases(before)).map((n) => [n, brief(this.value(n, before, 0))]);
    const helpers = (parsed(document.getElementById("editor-words"), "helpers") || []).map((h) => [h.s.replace(/\(.*/, "()"), h.d]);
    return [["it", "what the template is given"], ...own, ...helpers];
  }

  members(base, before) {
    const v = this.value(base, before, 0);
    if (Array.isArray(v)) return ofList.map((n) => [n, n === "length" ? v.length : "of a list"]);
    if (typeof v === "string") return ofText.map((n) => [n, "of text"]);
    return v && typeof v === "object" ? Object.keys(v).map((n) => [n, brief(v[n])]) : [];
  }

  // value follows a chain such as it.data[0].customer, through names that stand for one.
  value(chain, before, depth) {
    const parts = chain.match(/[A-Za-z_$][\w$]*|\d+/g) || [];
    let v;
    if (parts[0] === "it") v = parsed(document.getElementById("editor-it"), "it");
    else if (depth < 6 && Object.hasOwn(this.aliases(before), parts[0])) v = this.value(this.aliases(before)[parts[0]], before, depth + 1);
    for (const p of parts.slice(1)) v = v && typeof v === "object" && Object.hasOwn(v, p) ? v[p] : undefined;
    return v;
  }

  // aliases are the names that the text gives to a part of `it`: const o = it.data[0], each, arrows of list functions.
  aliases(before) {
    const out = {};
    const add = (re, item) => {
      for (const m of before.matchAll(re)) out[m[2]] = m[1] + item;
    };
    for (const m of before.matchAll(/(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*=\s*([A-Za-z_$][\w$.[\]?]*)\s*(?=[;\n,])/g)) out[m[1]] = m[2];
    add(/\{\{@each\(\s*([\w$.[\]?]+)\s*\)\s*=>\s*\(?\s*([A-Za-z_$][\w$]*)/g, "[0]");
    add(/([\w$.[\]?]+)\.(?:map|filter|find|some|every|forEach|flatMap)\(\s*\(?\s*([A-Za-z_$][\w$]*)/g, "[0]");
    for (const m of before.matchAll(/for\s*\(\s*(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s+of\s+([\w$.[\]?]+)/g)) out[m[1]] = m[2] + "[0]";
    return out;
  }

  show(found, at) {
    if (!found.length) return this.close();
    this.list.replaceChildren(...found.map(([name, about], i) => {
      const li = document.createElement("li");
      li.id = this.list.id + "-" + i;
      li.setAttribute("role", "option");
      li.dataset.name = name;
      const label = document.createElement("span"), aside = document.createElement("small");
      label.textContent = name;
      aside.textContent = String(about).slice(0, 60);
      li.append(label, aside);
      return li;
    }));
    this.active = null;
    this.pick(this.list.firstChild);
    this.box.showPopover();
    this.place(at);
    this.list.scrollTop = 0;
    this.status.textContent = found.length === 1 ? tell("1 suggestion") : tell("{n} suggestions", { n: found.length.toLocaleString(reader.locale) });
  }

  // place puts the list under the word, or above it where there is no room.
  place(at) {
    const range = document.createRange(), node = this.editor.paint.firstChild;
    range.setStart(node, at - this.word.length);
    range.setEnd(node, at - this.word.length);
    const r = range.getBoundingClientRect(), box = this.box.getBoundingClientRect();
    const under = r.bottom + box.height + 8 < innerHeight;
    this.box.style.left = Math.max(4, Math.min(r.left, innerWidth - box.width - 4)) + "px";
    this.box.style.top = (under ? r.bottom + 4 : Math.max(4, r.top - box.height - 4)) + "px";
  }

  pick(option) {
    if (this.active) this.active.setAttribute("aria-selected", "false");
    this.active = option;
    option.setAttribute("aria-selected", "true");
    this.area.setAttribute("aria-activedescendant", option.id);
  }

  move(by) {
    const all = [...this.list.children];
    const next = all[(all.indexOf(this.active) + by + all.length) % all.length];
    this.pick(next);
    next.scrollIntoView({ block: "nearest" });
  }

  take(option) {
    const at = this.area.selectionStart, name = option.dataset.name;
    this.close();
    this.area.setSelectionRange(at - this.word.length, at);
    document.execCommand("insertText", false, name);
    this.close(); // typing it has asked for more
    if (name.endsWith("()")) this.area.setSelectionRange(this.area.selectionStart - 1, this.area.selectionStart - 1);
  }
}

onReady((root) => root.querySelectorAll("code-editor[data-lang=template]").forEach((ed) => {
  if (!ed.area || ed.completer || !document.getElementById("editor-words")) return;
  ed.completer = new Completer(ed);
}));
