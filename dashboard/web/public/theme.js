// Runs before the first paint, so that a remembered choice never flashes the other theme.
try {
  const theme = localStorage.getItem("slacktide.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme it is.
}
