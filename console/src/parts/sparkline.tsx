// How a number has changed, as a line without axes. The text beside it says the number.

interface SparklineProps {
  label: string;
  values: readonly number[];
}

const [WIDTH, HEIGHT] = [120, 28];

export function Sparkline({ label, values }: SparklineProps) {
  const most = Math.max(...values, 0) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1)}`);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <polyline points={points.join(" ")} />}
    </svg>
  );
}
