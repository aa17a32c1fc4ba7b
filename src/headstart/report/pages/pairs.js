// Two selects that show one pair of contenders at a time.
(() => {
  const form = document.getElementById("pair-choice");
  const pairs = [...document.querySelectorAll(".two")];
  if (!form || pairs.length < 2) return;
  const { a, b } = form.elements;
  const names = [...new Set(pairs.flatMap((pair) => [pair.dataset.a, pair.dataset.b]))];
  a.append(...names.map((name) => new Option(name, name)));
  const show = () => {
    const before = b.value;
    b.replaceChildren(...names.filter((name) => name !== a.value).map((name) => new Option(name, name)));
    if (before && before !== a.value) b.value = before;
    pairs.forEach((pair) => {
      const both = [pair.dataset.a, pair.dataset.b];
      pair.hidden = !(both.includes(a.value) && both.includes(b.value));
    });
  };
  form.addEventListener("change", show);
  form.hidden = false;
  show();
})();
