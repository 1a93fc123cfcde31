/** A chart in its card: drawn on a canvas, or told as a table with the same figures. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { theme } from "../theme.ts";
import { type Column, Table } from "../parts/table.tsx";
import { type ECharts, init } from "./engine.ts";
import { type Palette, palette } from "./palette.ts";

export interface ChartProps<Row> {
  title: string;
  /** What the chart shows, in a sentence, for those who cannot see it. */
  summary: string;
  height: number;
  option: (colours: Palette) => Record<string, unknown>;
  columns: Column<Row>[];
  rows: () => Row[];
  legend?: ComponentChildren;
  controls?: ComponentChildren;
  onPick?: (value: unknown) => void;
}

export function Chart<Row>(props: ChartProps<Row>) {
  const [asTable, setAsTable] = useState(false);
  return (
    <figure class="card chart">
      <figcaption class="card-head">
        <h2>{props.title}</h2>
        <div class="legend">{props.legend}</div>
        <div class="controls">
          {props.controls}
          <button type="button" class="button" onClick={() => setAsTable(!asTable)}>
            {asTable ? "Show as chart" : "Show as table"}
            <span class="unseen">: {props.title}</span>
          </button>
        </div>
      </figcaption>
      {asTable ? (
        <Table caption={props.title} columns={props.columns} rows={props.rows()} height={props.height} />
      ) : (
        <Canvas {...props} />
      )}
    </figure>
  );
}

function Canvas<Row>({ summary, height, option, onPick }: ChartProps<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const pick = useRef(onPick);
  pick.current = onPick;

  useEffect(() => {
    const drawn = init(box.current!);
    chart.current = drawn;
    drawn.on("click", (hit) => pick.current?.(hit.value));
    const watching = new ResizeObserver(() => drawn.resize());
    watching.observe(box.current!);
    return () => {
      watching.disconnect();
      drawn.dispose();
    };
  }, []);

  // The theme is read so that a switch draws again in the other colours.
  const shade = theme.value;
  useEffect(() => {
    chart.current?.setOption(option(palette()), { replaceMerge: ["series"] });
  }, [option, shade]);

  return <div ref={box} class="canvas" role="img" aria-label={summary} style={{ height: `${height}px` }} />;
}
