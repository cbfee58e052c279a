// Everything here adds comfort to pages that work without it. No state of its
// own, no eval, no inline handlers: one listener per kind of event, on the document.
"use strict";
document.documentElement.classList.add("js");
if (window.htmx) document.documentElement.classList.add("htmx");

// tell is a text in the reader's language; the page carries those that differ from English.
const told = JSON.parse(document.getElementById("texts")?.textContent || "{}");
function tell(id, values = {}) {
  return (told[id] || id).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

// onReady runs now and again for what htmx swaps in.
function onReady(run) {
  run(document);
  document.addEventListener("htmx:after:swap", () => run(document));
}

// toast shows a message above everything, dialogs too. Failures stay, each said once. url leads on, in another tab.
function toast(tone, text, url, label) {
  const box = document.getElementById("toasts");
  if (!box || (tone === "bad" && [...box.children].some((t) => t.firstChild.textContent === text))) return;
  const el = document.createElement("div");
  el.className = "toast" + (tone ? " toast-" + tone : "");
  el.setAttribute("role", tone === "bad" ? "alert" : "status");
  el.dataset.toast = "";
  const p = document.createElement("p");
  p.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "icon-btn";
  close.dataset.close = "";
  close.setAttribute("aria-label", tell("Dismiss"));
  close.textContent = "✕";
  el.append(p);
  if (url) {
    const a = document.createElement("a");
    a.href = url;
    a.target = "_blank";
    a.className = "btn btn-small";
    a.textContent = label;
    el.append(a);
  }
  el.append(close);
  if (!box.matches(":popover-open")) box.showPopover();
  box.append(el);
  if (tone !== "bad") el.addEventListener("animationend", (e) => e.animationName === "leave" && drop(el));
}

function drop(el) {
  const box = el.parentElement;
  el.remove();
  if (box && box.id === "toasts" && !box.children.length && box.matches(":popover-open")) box.hidePopover();
}

// The server asks for a toast with HX-Trigger: {"toast":{"tone":"ok","text":"…"}}.
document.addEventListener("toast", (e) => e.detail && toast(e.detail.tone, e.detail.text || "", e.detail.url, e.detail.label));

// sessionLives asks the server whether somebody is still signed in; when not, the page says so and stays. It throws when no answer comes.
async function sessionLives() {
  const answer = await fetch("/login/session", { cache: "no-store" });
  if (answer.status === 200) ended();
  return answer.status !== 200;
}

function ended() {
  toast("bad", tell("Your session has ended. What you typed stays here: sign in in another tab, then go on."), "/login/again", tell("Sign in"));
}

// What the page came with is said once it is there: screen readers tell changes alone.
const brought = document.querySelector(".toasts-plain > .toast");
if (brought) {
  const box = document.getElementById("toasts");
  brought.parentElement.remove();
  box.showPopover();
  brought.addEventListener("animationend", (e) => e.animationName === "leave" && drop(brought));
  setTimeout(() => box.append(brought), 150);
}
