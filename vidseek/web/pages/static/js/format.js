// Values as people read them.

/** 75.3 -> "1:15"; with tenths "1:15.3"; from an hour "1:02:03". */
export function clock(seconds, { tenths = false } = {}) {
  const step = tenths ? 10 : 1;
  const whole = Math.floor(Math.max(0, seconds) * step + 1e-6);
  const total = Math.floor(whole / step);
  const [hours, minutes, rest] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const tail = String(rest).padStart(2, "0") + (tenths ? `.${whole % 10}` : "");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

export const spanText = (start, end) => `${clock(start)} – ${clock(end)}`;

export function lengthText(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function sizeText(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let power = 0;
  while (bytes >= 1000 && power < units.length - 1) { bytes /= 1000; power += 1; }
  return `${bytes.toFixed(bytes < 10 && power > 0 ? 1 : 0)} ${units[power]}`;
}

export const dateText = (iso) => new Date(iso).toLocaleDateString(undefined, { dateStyle: "medium" });
export const fileName = (path) => path.split(/[\\/]/).pop();
export const titleOf = (path) => fileName(path).replace(/\.[^.]+$/, "");
export const folderOf = (path) => path.slice(0, Math.max(0, path.length - fileName(path).length - 1));
export const many = (count, word, plural = `${word}s`) => `${count.toLocaleString()} ${count === 1 ? word : plural}`;

/** Minimum confidence of a moment that counts as found; the command line shows the same. */
export const MIN_CONFIDENCE = 0.3;

/** A confidence in words, its level for the style, and its share of the bar. */
export function sureness(hit) {
  if (hit.confidence === null || hit.confidence === undefined) {
    const share = Math.min(1, Math.max(0, hit.score));
    return { words: `${Math.round(share * 100)} % similar`, level: share >= 0.8 ? "high" : "middle", share };
  }
  const share = hit.confidence;
  if (share >= 0.85) return { words: "Very likely", level: "high", share };
  if (share >= 0.6) return { words: "Likely", level: "high", share };
  if (share >= MIN_CONFIDENCE) return { words: "Possible", level: "middle", share };
  return { words: "Unlikely", level: "low", share };
}
