"use strict";

// Tables that can be searched and sorted. Their rows are JSON beside them; texts enter the page as text alone.
for (const box of document.querySelectorAll(".browser")) {
  const data = JSON.parse(document.getElementById(box.id + "-data").textContent);
  const [search, body, status, more] = ["input", "tbody", "[role=status]", ".more"].map((name) => box.querySelector(name));
  const buttons = [...box.querySelectorAll(".controls button:not(.more)")];
  const headers = [...box.querySelectorAll("th")];
  const texts = data.rows.map((row) => row.join("\n").toLowerCase());
  let order = { column: -1, descending: false };
  let ranking = [];
  let shown = data.first;

  const isNumber = (column) => data.decimals[column] !== null;

  function compare(first, second) {
    const [a, b] = [data.rows[first][order.column], data.rows[second][order.column]];
    const difference = isNumber(order.column) ? a - b : a.localeCompare(b);
    return order.descending ? -difference : difference;
  }

  function rank() {
    ranking = data.rows.map((_, number) => number);
    if (order.column >= 0) {
      ranking.sort(compare);
      return;
    }
    for (let last = ranking.length - 1; last > 0; last--) {
      const other = Math.floor(Math.random() * (last + 1));
      [ranking[last], ranking[other]] = [ranking[other], ranking[last]];
    }
  }

  function toRow(number) {
    const row = document.createElement("tr");
    data.rows[number].forEach((value, column) => {
      const cell = row.insertCell();
      cell.textContent = isNumber(column) ? value.toFixed(data.decimals[column]) : value;
      if (isNumber(column)) cell.className = "number";
      else cell.dir = "auto";
    });
    return row;
  }

  function show() {
    const wanted = search.value.toLowerCase();
    const found = ranking.filter((number) => texts[number].includes(wanted));
    body.replaceChildren(...found.slice(0, shown).map(toRow));
    status.textContent = `${Math.min(shown, found.length)} of ${found.length.toLocaleString("en")} rows`;
    more.hidden = shown >= found.length;
    headers.forEach((header, column) => {
      const direction = order.descending ? "descending" : "ascending";
      header.setAttribute("aria-sort", column === order.column ? direction : "none");
    });
  }

  function arrange(next, pressed) {
    order = next;
    shown = data.first;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
    rank();
    show();
  }

  buttons.forEach((button, number) => button.addEventListener("click", () => arrange(data.orders[number], button)));
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      // The first click shows the largest numbers, and texts from A.
      const again = order.column === column;
      arrange({ column, descending: again ? !order.descending : isNumber(column) });
    });
  });
  search.addEventListener("input", () => { shown = data.first; show(); });
  more.addEventListener("click", () => { shown += 5 * data.first; show(); });
  box.querySelectorAll(".controls").forEach((controls) => { controls.hidden = false; });
  arrange(data.orders[0], buttons[0]);
}
