// What the theme leaves out for readers who use a keyboard, a screen reader or a phone.
addEventListener("DOMContentLoaded", () => {
  const setAll = (selector, name, value) => document.querySelectorAll(selector)
    .forEach((element) => element.setAttribute(name, value));
  setAll("p.caption[role=heading]", "aria-level", "2");
  setAll("aside.sidebar-drawer", "aria-label", "All pages");
  setAll("aside.toc-drawer", "aria-label", "On this page");
  document.querySelectorAll("th").forEach((header) => {
    if (!header.textContent.trim()) header.setAttribute("role", "cell"); // the corner of a table
  });
  if (!document.querySelector("h1")) { // the page of search results
    const title = document.createElement("h1");
    title.textContent = document.title.split(" - ")[0];
    document.querySelector("article, main")?.prepend(title);
  }

  // In code, an option stays on one line, and a long name breaks after a mark or an underscore,
  // but not in front of a closing bracket.
  document.querySelectorAll("code .pre").forEach((word) => {
    if (/^-{1,2}\w/.test(word.textContent)) word.style.whiteSpace = "nowrap";
    else if (word.textContent.length > 15) {
      const parts = word.textContent.split(/(?<=[._([/,=])(?=[^)\]])/);
      const pieces = parts.flatMap((part) => [document.createElement("wbr"), part]);
      word.replaceChildren(...pieces.slice(1));
    }
  });

  // The arrow keys scroll what has the focus. The Tab key skips what fits.
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }));
  document.querySelectorAll(".highlight pre, .table-wrapper, .cell_output .text_html, .cell_output pre")
    .forEach((element) => sizes.observe(element));
});
