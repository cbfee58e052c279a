// Busy buttons, a guard for what is not saved, focus on what is wrong.
"use strict";
let dirty = false;

// What was typed leaves the page only when there is somebody signed in to save it.
let asking = false, sure = false;
document.addEventListener("submit", (e) => {
  const form = e.target, button = e.submitter;
  if (sure || e.defaultPrevented || !dirty || !form.matches("form[data-guard]") || form.matches("[hx-post]") || !document.body.matches(".app")) return;
  if (window.htmx && button?.matches("[hx-post]")) return; // stays, and is told by the answer
  e.preventDefault();
  e.stopImmediatePropagation();
  if (asking) return;
  asking = true;
  button?.setAttribute("aria-busy", "true");
  sessionLives().catch(() => void toast("bad", tell("The server did not answer. Try again."))).then((lives) => {
    asking = false;
    button?.removeAttribute("aria-busy");
    if (!lives) return;
    sure = true;
    form.requestSubmit(button);
    sure = false;
  });
});

document.addEventListener("submit", (e) => {
  const button = e.submitter;
  const live = e.target.matches("[hx-post], [hx-get]");
  if (!button || (e.defaultPrevented && !live)) return;
  // A page that leaves takes along what was typed, also for a preview; one that stays still has it to lose.
  if (!(window.htmx && button.matches("[hx-post]")) && !e.target.closest(".toolbar")) dirty = false;
  button.setAttribute("aria-busy", "true");
  if (live) return;
  // Disabled only after the browser took name and value of the button along.
  setTimeout(() => (button.disabled = true));
});

// A page that comes back from the browser's cache must not stay busy.
window.addEventListener("pageshow", (e) => {
  if (!e.persisted) return;
  document.querySelectorAll("[aria-busy=true]").forEach((b) => {
    b.removeAttribute("aria-busy");
    b.disabled = false;
  });
});
document.addEventListener("htmx:finally:request", (e) => {
  const form = e.target.closest && e.target.closest("form");
  if (form) form.querySelectorAll("button[aria-busy=true]").forEach((b) => {
    b.removeAttribute("aria-busy");
    b.disabled = false;
  });
});

// Forms marked data-guard warn before what was typed is lost.
document.addEventListener("input", (e) => {
  if (e.target.closest && e.target.closest("form[data-guard]")) dirty = true;
});
// A form that came back with what was typed is not saved either; a link that throws it away on purpose says so.
if (document.querySelector("form[data-guard=dirty]")) dirty = true;
document.addEventListener("click", (e) => {
  if (e.target.closest && e.target.closest("[data-leave]")) dirty = false;
});
window.addEventListener("beforeunload", (e) => dirty && e.preventDefault());

// Selects and radios of a filter submit by themselves; the button beside them is for the rest.
document.addEventListener("change", (e) => {
  if (e.target.matches("form[data-auto] select, form[data-auto] input[type=radio], form[data-auto] input[type=checkbox]")) e.target.form.requestSubmit();
});

// Focus goes to the summary, else to the first field that is wrong.
const wrong = document.querySelector("[data-focus]") || document.querySelector("main [aria-invalid=true]");
if (wrong) wrong.focus();
