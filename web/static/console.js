// Comfort for pages that work without it: shortcuts, copying, selections, dialogs, messages.
"use strict";

(() => {
  document.documentElement.classList.add("script");
  const KEY = "atalhos";
  let waiting = "";

  const typing = (target) => target.closest("input, select, textarea, [contenteditable]") !== null;
  const rows = () => [...document.querySelectorAll("[data-row]")];

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const here = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.max(0, Math.min(all.length - 1, here + step))];
    (next.querySelector("a, button, input") || next).focus();
    next.scrollIntoView({ block: "nearest" });
  }

  function press(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) && event.target.type !== "checkbox") return;
    if (localStorage.getItem(KEY) === "off" && event.key !== "?") return;
    if (document.querySelector("dialog[open]")) return;
    const go = waiting === "g" ? document.querySelector(`[data-go="${CSS.escape(event.key)}"]`) : null;
    waiting = "";
    if (go) return void go.click();
    switch (event.key) {
      case "g": waiting = "g"; return;
      case "/": {
        const search = document.querySelector("input[type=search]");
        if (search) { event.preventDefault(); search.focus(); }
        return;
      }
      case "?": document.getElementById("atalhos")?.showModal(); return;
      case "j": return move(1);
      case "k": return move(-1);
      case "x": document.activeElement?.closest("[data-row]")?.querySelector("input[type=checkbox]")?.click(); return;
      default: {
        const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]:not([disabled])`);
        if (button) { event.preventDefault(); button.click(); }
      }
    }
  }

  function say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    document.getElementById("avisos")?.append(line);
    setTimeout(() => line.remove(), 8000);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    say("Copiado.");
  }

  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    const copier = event.target.closest("[data-copy]");
    if (copier) return void copy(copier);
    const opener = event.target.closest("[data-dialog]");
    if (opener) { event.preventDefault(); document.getElementById(opener.dataset.dialog)?.showModal(); }
    const closer = event.target.closest("[data-close]");
    if (closer) { event.preventDefault(); closer.closest("dialog")?.close(); }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
    if (event.target.matches("[data-all]")) {
      for (const box of document.querySelectorAll(event.target.dataset.all)) box.checked = event.target.checked;
    }
    if (event.target.id === "atalhos-ligados") {
      localStorage.setItem(KEY, event.target.checked ? "on" : "off");
    }
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });
  // An error's words are shown where the answer would have been.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400 && event.detail.xhr.status !== 401) event.detail.shouldSwap = true;
  });
  document.addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById("atalhos-ligados");
    if (box) box.checked = localStorage.getItem(KEY) !== "off";
  });
})();
