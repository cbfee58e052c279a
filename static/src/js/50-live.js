// The live parts of a page ask for themselves again when the server says that
// something changed: not more often than the first says, not while a menu is open or text of
// it is selected, not while the page is hidden, and not when the reader paused it.
// Without htmx, which puts the answer in place, the page stays as it is.
"use strict";
(() => {
  const box = document.querySelector("[data-live]");
  const parts = () => [...document.querySelectorAll("[data-region]")], part = () => parts()[0];
  if (!box || !part() || !window.htmx || !window.EventSource) return;
  const word = box.querySelector(".live"), button = box.querySelector("button");
  const every = Number(part().dataset.region) || 1000;
  // What the reader opened or closed stays so.
  htmx.config.morphIgnore = [...(htmx.config.morphIgnore || []), "open"];
  let source, retry, wait = 5000, opened = false, paused = false, changed = false, timer, last = 0;
  let unheard = 0; // since when nobody listened, in ms after the page was asked for

  function say() {
    const [state, text] = paused || held() ? ["off", tell("Updates paused")] : opened ? ["on", tell("Live")] : ["wait", tell("Reconnecting…")];
    if (word.dataset.state !== state) word.dataset.state = state;
    if (word.textContent !== text) word.textContent = text;
  }

  function held() {
    const s = getSelection();
    return !!document.querySelector(".menu:popover-open, dialog[open], .selection input:checked") || (!!s && !s.isCollapsed && parts().some(p => p.contains(s.anchorNode)));
  }

  function refresh() {
    clearTimeout(timer);
    timer = 0;
    if (!changed || paused || document.hidden || held()) return say();
    const left = last + every - Date.now();
    if (left > 0) return void (timer = setTimeout(refresh, left));
    changed = false;
    last = Date.now();
    parts().forEach(p => htmx.trigger(p, "refresh"));
  }

  function nudge() {
    changed = true;
    if (!timer) refresh();
  }

  function open() {
    if (source || document.hidden) return;
    const url = new URL(box.dataset.live, location);
    url.searchParams.set("unheard", Math.ceil(performance.now() - unheard) + 1000);
    source = new EventSource(url); // tells at once when something changed within that time
    source.addEventListener("deliveries", nudge);
    let again = false;
    source.onopen = () => {
      opened = true;
      wait = 5000;
      box.hidden = false;
      if (again) nudge(); // it asked by itself, with the time of the first go
      again = true;
      say();
    };
    source.onerror = () => {
      opened = false;
      if (!box.hidden) say();
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      shut();
      sessionLives().catch(() => {}); // an ended session closes it too
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, 60000);
    };
  }

  function shut() {
    clearTimeout(retry);
    if (source) {
      source.close();
      unheard = performance.now();
    }
    source = null;
    opened = false;
  }

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    say();
    refresh();
  });
  const look = () => box.hidden || (say(), changed && !timer && refresh());
  document.addEventListener("toggle", look, true);
  document.addEventListener("change", look);
  document.addEventListener("selectionchange", look);
  document.addEventListener("visibilitychange", () => (document.hidden ? shut() : open()));
  window.addEventListener("pagehide", shut);
  window.addEventListener("pageshow", open);
  open();

  // Rows that were not there before fade in from the accent.
  const rows = () => [...(part()?.querySelectorAll("tbody tr[id]") ?? [])]; // a page that was swapped in may have none
  let known = new Set(rows().map((r) => r.id));
  document.addEventListener("htmx:after:swap", () => {
    rows().forEach((r) => r.classList.toggle("fresh", !known.has(r.id)));
    known = new Set(rows().map((r) => r.id));
  });
})();

// Charts tell the time of the server's clock; the reader has one of his own.
onReady((root) => {
  const clock = written({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  root.querySelectorAll("[data-clock]").forEach((el) => {
    const text = el.textContent.replace(/^\d\d:\d\d/, clock.format(new Date(el.dataset.clock)));
    if (el.textContent !== text) el.textContent = text;
    el.closest("a[aria-label]")?.setAttribute("aria-label", text); // the title of a bar is its name
  });
  const day = written({ dateStyle: "short" });
  const today = day.format(new Date());
  const exact = written({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  root.querySelectorAll("time[data-local]").forEach((el) => {
    const at = new Date(el.dateTime);
    el.title = local.format(at);
    el.textContent = day.format(at) === today ? exact.format(at) : local.format(at);
  });
  root.querySelectorAll("[data-zone]").forEach((el) => el.remove());
});
