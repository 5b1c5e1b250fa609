// What is wider than the page scrolls inside itself. Then it must be reachable by keyboard: this gives a tab stop to
// whatever overflows, and takes it away again when there is room.
(() => {
  const wide = ".pst-scrollable-table-container, .cell_output > *, mjx-container, div.highlight pre, .bd-article dt.sig";
  const check = () => {
    for (const box of document.querySelectorAll(".bd-article :is(" + wide + ")")) {
      if (box.matches("mjx-container:not([display])")) {
        box.classList.remove("hpn-wide"); // a formula in the text, broader than its line
        if (box.getBoundingClientRect().width > box.parentElement.clientWidth + 1 && box.parentElement.clientWidth) box.classList.add("hpn-wide");
      }
      const overflows = box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";
      if (overflows) box.tabIndex = 0;
      else if (box.hasAttribute("tabindex")) box.removeAttribute("tabindex");
    }
  };
  const later = () => requestAnimationFrame(check);
  addEventListener("load", () => {
    later();
    if (window.MathJax?.startup?.promise) MathJax.startup.promise.then(later);
    document.fonts?.ready.then(later);
  });
  addEventListener("resize", later);
  document.addEventListener("toggle", later, true); // a solution was opened
})();
