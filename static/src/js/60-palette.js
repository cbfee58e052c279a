// The command palette: a combobox in a dialog over what the server finds. The
// browser keeps paths of what was looked at, never names: the server gives
// those, to whom may see them.
"use strict";
const palette = document.getElementById("palette");
const seenKey = "waybill.recent";

function seenPaths() {
  try {
    const list = JSON.parse(localStorage.getItem(seenKey));
    return Array.isArray(list) ? list.filter((p) => typeof p === "string") : [];
  } catch {
    return [];
  }
}

function remember(path) {
  const thing = /^\/(?:connections|destinations|credentials|actions|events|deliveries|users|inbound)\/[a-z]{3}_[0-9a-z]+/.exec(path);
  if (!thing) return;
  try {
    localStorage.setItem(seenKey, JSON.stringify([thing[0], ...seenPaths().filter((p) => p !== thing[0])].slice(0, 12)));
  } catch {
    // A browser that stores nothing has no recent things.
  }
}

// finder runs the open dialog.
class Finder {
  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("#palette-input");
    this.results = dialog.querySelector("#palette-results");
    this.status = dialog.querySelector("#palette-status");
    this.input.addEventListener("input", () => this.soon());
    this.input.addEventListener("keydown", (e) => this.key(e));
    this.results.addEventListener("mousemove", (e) => this.pick(e.target.closest("[role=option]")));
    this.results.addEventListener("click", (e) => e.target.closest("[role=option]") && dialog.close());
    dialog.addEventListener("close", () => this.asking?.abort());
  }

  open() {
    if (this.dialog.open) return this.dialog.close();
    document.querySelectorAll("[popover=''], [popover=auto]").forEach((p) => p.matches(":popover-open") && p.hidePopover());
    this.input.value = "";
    this.stale = true;
    this.enter = null;
    this.dialog.showModal();
    this.load();
  }

  // soon waits until a quick typist has finished a word. What is listed is stale from then on.
  soon() {
    this.stale = true;
    this.enter = null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), 90);
  }

  async load() {
    const query = this.input.value.trim();
    this.asking?.abort();
    this.asking = new AbortController();
    const url = new URL(this.dialog.dataset.url, location.href);
    url.searchParams.set("q", query);
    if (!query) seenPaths().forEach((p) => url.searchParams.append("recent", p));
    try {
      const res = await fetch(url, { signal: this.asking.signal });
      if (res.redirected) return ended(); // signed out meanwhile
      if (!res.ok) throw new Error(res.statusText);
      this.show(await res.text(), query);
    } catch (err) {
      if (err.name !== "AbortError") this.fail();
    }
  }

  // show lists what was found for a query; stale if more was typed meanwhile.
  show(html, query) {
    this.results.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
    const list = this.results.querySelector("[role=listbox]");
    this.input.setAttribute("aria-expanded", String(!!list));
    this.status.textContent = list ? list.dataset.count : this.results.textContent.trim();
    this.active = null;
    this.pick(this.options()[0]);
    this.stale = query !== this.input.value.trim();
    if (this.stale || !this.enter) return;
    this.go(this.enter);
    this.enter = null;
  }

  fail() {
    this.show("<div class='palette-none'><p>Search did not answer. Check the network and type again.</p></div>", this.input.value.trim());
  }

  options() {
    return [...this.results.querySelectorAll("[role=option]")];
  }

  pick(option) {
    if (option === this.active || (!option && this.active)) return;
    if (this.active) this.active.setAttribute("aria-selected", "false");
    this.active = option || null;
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  move(by) {
    const all = this.options();
    if (!all.length) return;
    const next = all[(all.indexOf(this.active) + by + all.length) % all.length];
    this.pick(next);
    if (next === all[0]) next.closest("[role=listbox]").scrollTop = 0; // the title above it too
    else next.scrollIntoView({ block: "nearest" });
  }

  key(e) {
    if (e.isComposing) return;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      this.move(e.key === "ArrowDown" ? 1 : -1);
    } else if (e.key === "Enter") {
      e.preventDefault();
      if (this.stale) this.enter = e; // it is meant for what is about to be listed
      else this.go(e);
    }
  }

  // go follows what is active; with Ctrl or Command a link opens in a tab of its own, as everywhere.
  go({ ctrlKey, metaKey }) {
    if (this.active) this.active.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey }));
  }
}

if (palette) {
  const finder = new Finder(palette);
  remember(location.pathname);
  document.addEventListener("keydown", (e) => {
    if (!(e.ctrlKey || e.metaKey) || e.altKey || e.shiftKey || e.key.toLowerCase() !== "k") return;
    e.preventDefault();
    finder.open();
  });
  document.addEventListener("click", (e) => {
    if (!e.target.closest?.("[data-palette]") || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    finder.open();
  });
  // Who signs out leaves nothing behind.
  document.addEventListener("submit", (e) => {
    if ((e.submitter?.getAttribute("formaction") || e.target.getAttribute("action")) === "/logout") localStorage.removeItem(seenKey);
  });
}

if (/Mac|iPhone|iPad/.test(navigator.platform)) document.querySelectorAll("[data-mod]").forEach((k) => (k.textContent = "⌘"));
