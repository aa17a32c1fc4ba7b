// Optional: buttons that copy the command, and tables that sort. The page is complete without them.
document.querySelectorAll(".command").forEach((box) => {
  // An option is not broken after its hyphens.
  const code = box.querySelector("code");
  const words = code.textContent.split(/(--[a-z][\w-]*)/);
  code.replaceChildren(...words.map((word) => (word.startsWith("--")
    ? Object.assign(document.createElement("span"), { className: "nowrap", textContent: word }) : word)));
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", () => navigator.clipboard.writeText(code.textContent)
    .then(() => { button.textContent = "Copied"; setTimeout(() => { button.textContent = "Copy"; }, 1500); }));
  box.append(button);
});
document.querySelectorAll("table[data-sortable]").forEach((table) => {
  const body = table.tBodies[0];
  const number = (text) => parseFloat(text.replace(/[,%]/g, "").replace("−", "-"));
  table.querySelectorAll("thead th:not([data-fixed])").forEach((head) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const column = head.cellIndex;
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].textContent.trim();
      const rows = [...body.rows].sort((a, b) => (column === 0 ? key(a).localeCompare(key(b), undefined, { numeric: true })
        : number(key(a)) - number(key(b))));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
});
