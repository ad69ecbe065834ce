// What is nicer with JavaScript; every page works without it.
"use strict";

const ORDER = ["auto", "light", "dark"];

function useTheme(theme) {
  const root = document.documentElement;
  if (theme === "auto") root.removeAttribute("data-theme");
  else root.dataset.theme = theme;
  document.cookie = `theme=${theme};path=/;max-age=31536000;samesite=lax`;
}

// The theme changes on the spot; the form behind the button does the same by a page load.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || button.name !== "theme") return;
  event.preventDefault();
  useTheme(button.value);
  const next = ORDER[(ORDER.indexOf(button.value) + 1) % ORDER.length];
  for (const one of button.form.querySelectorAll("button")) one.hidden = one.value !== next;
  button.form.querySelector(`button[value="${next}"]`).focus();
});

// Whoever has pressed a button sees that it works, until the next page comes, or this one comes back from the past.
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && event.submitter) event.submitter.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
});

// "/" goes to the search box of the page, as in most lists, or else to the one for pages; Alt+Q always to that.
document.addEventListener("keydown", (event) => {
  const pages = document.getElementById("find-page");
  if (event.altKey && event.code === "KeyQ" && pages) {
    event.preventDefault();
    pages.focus();
    return;
  }
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("main input[type=search]") || pages;
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
