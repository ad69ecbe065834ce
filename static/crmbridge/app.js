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

// "/" goes to the search box of the page, as in most lists.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const search = document.querySelector("main input[type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
