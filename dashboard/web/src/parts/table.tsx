/** A table of rows, sortable where a column says how to compare. */

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

export interface Column<Row> {
  key: string;
  label: string;
  cell: (row: Row) => ComponentChildren;
  /** What to sort by; unknown sorts last. Absent where sorting says nothing. */
  sort?: (row: Row) => number | string | null | undefined;
  /** What the column means, in a sentence. */
  about?: string;
  numeric?: boolean;
  wide?: boolean;
  /** Marks the cell that names its row. */
  head?: boolean;
}

export interface TableProps<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  height?: number;
  /** Scrolls within the window, its head in sight. */
  tall?: boolean;
  rowClass?: (row: Row) => string;
  sorted?: { key: string; falling: boolean };
}

export function Table<Row>({ caption, columns, rows, height, tall, rowClass, sorted }: TableProps<Row>) {
  const [order, setOrder] = useState(sorted ?? { key: "", falling: true });
  const shown = useMemo(() => inOrder(rows, columns, order), [rows, columns, order]);
  const style = height ? { maxHeight: `${height}px` } : {};
  return (
    <div class={tall ? "scroll tall" : "scroll"} role="region" aria-label={caption} tabIndex={0} style={style}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head column={column} order={order} onSort={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr class={rowClass?.(row) ?? ""}>
              {columns.map((column) =>
                column.head ? (
                  <th scope="row">{column.cell(row)}</th>
                ) : (
                  <td class={classes(column)}>{column.cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Order {
  key: string;
  falling: boolean;
}

interface HeadProps<Row> {
  column: Column<Row>;
  order: Order;
  onSort: (order: Order) => void;
}

function Head<Row>({ column, order, onSort }: HeadProps<Row>) {
  if (!column.sort) {
    return (
      <th scope="col" class={classes(column)} title={column.about}>
        {column.label}
      </th>
    );
  }
  const active = order.key === column.key;
  const falling = active ? !order.falling : Boolean(column.numeric);
  return (
    <th
      scope="col"
      class={classes(column)}
      title={column.about}
      aria-sort={active ? (order.falling ? "descending" : "ascending") : "none"}
    >
      <button type="button" class="sort" onClick={() => onSort({ key: column.key, falling })}>
        {column.label}
        <span class="arrow" aria-hidden="true">
          {active && !order.falling ? "▴" : "▾"}
        </span>
      </button>
    </th>
  );
}

export function inOrder<Row>(rows: Row[], columns: Column<Row>[], order: Order): Row[] {
  const by = columns.find((column) => column.key === order.key)?.sort;
  if (!by) return rows;
  const sign = order.falling ? -1 : 1;
  return [...rows].sort((left, right) => {
    const [a, b] = [by(left), by(right)];
    if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
    if (b === null || b === undefined) return -1;
    return sign * (typeof a === "string" ? a.localeCompare(String(b)) : a - Number(b));
  });
}

function classes<Row>(column: Column<Row>): string {
  return [column.numeric && "numeric", column.wide && "wide"].filter(Boolean).join(" ");
}
