// The word beside a live list: whether its stream of nudges is open. The element
// that holds the stream names the word's id in data-live.
"use strict";
function live(e, state, text) {
  const word = e.target.dataset && document.getElementById(e.target.dataset.live);
  if (!word) return;
  word.hidden = false;
  word.dataset.state = state;
  word.textContent = text;
}
document.addEventListener("htmx:sse:after:connection", (e) => live(e, "on", "Live"));
document.addEventListener("htmx:sse:error", (e) => live(e, "off", "Reconnecting…"));
document.addEventListener("htmx:sse:close", (e) => live(e, "off", "Paused"));
