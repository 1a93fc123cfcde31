/** The colours of the style sheet as values, since a canvas cannot read CSS variables by itself. */

export interface Palette {
  ink: string;
  quiet: string;
  line: string;
  surface: string;
  online: string;
  offline: string;
  sold: string;
  kept: string;
  came: string;
  bad: string;
  tide: string[];
}

export function palette(): Palette {
  const probe = document.body.appendChild(document.createElement("i"));
  const colour = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours: Palette = {
    ink: colour("ink"),
    quiet: colour("quiet"),
    line: colour("line"),
    surface: colour("surface"),
    online: colour("online"),
    offline: colour("offline"),
    sold: colour("sold"),
    kept: colour("kept"),
    came: colour("came"),
    bad: colour("bad"),
    tide: [0, 1, 2, 3, 4].map((step) => colour(`tide-${step}`)),
  };
  probe.remove();
  return colours;
}
