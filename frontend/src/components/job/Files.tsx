import { Download } from "lucide-react";
import { useState } from "react";
import type { Artifact, Job } from "../../generated/api";
import { bytes } from "../../lib/format";
import { isFinal } from "../../lib/job";
import { Button, buttonClass, Empty } from "../ui";

const FEW = 4;
const picture = (item: Artifact) => item.media_type.startsWith("image/");
const best = (item: Artifact) => item.role === "weights" && /^best\./.test(item.name);
const words: Record<Artifact["role"], string> = {
  weights: "Weights",
  checkpoint: "Checkpoint",
  plot: "Picture",
  samples: "Sample predictions",
  table: "Table",
  log: "Log",
};

const base = (name: string) => name.split("/").at(-1) ?? name;

/** Files of a job: the best weights first and at hand, pictures shown, the rest listed. */
export function Files({ job, artifacts }: { job: Job; artifacts: Artifact[] }) {
  if (!artifacts.length) {
    return (
      <Empty title="No files yet">
        {isFinal(job)
          ? "This training left no files behind."
          : "Weights and pictures appear here as they are made."}
      </Empty>
    );
  }
  const weights = artifacts.find(best);
  const rest = artifacts.filter((item) => item !== weights);
  return (
    <>
      {weights && (
        <a href={weights.url} download={base(weights.name)} className={`${buttonClass("primary")} w-full`}>
          <Download aria-hidden className="size-4" />
          {weights.name} <span className="font-normal">({bytes(weights.bytes)})</span>
        </a>
      )}
      <ul className={`flex flex-col gap-1 text-[13px] ${weights ? "mt-3" : ""}`}>
        {rest.map((item) => (
          <li key={item.name} className="flex flex-wrap items-baseline justify-between gap-x-3">
            <a
              href={item.url}
              download={base(item.name)}
              className="min-w-0 break-all text-accent underline underline-offset-2"
            >
              {item.name}
            </a>
            <span className="text-soft">
              {base(item.name).startsWith("failed_batch") ? "The batch that failed" : words[item.role]}
              {item.epoch !== null && `, epoch ${item.epoch}`} · {bytes(item.bytes)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Confusion matrix, sample predictions and other pictures; the newest version, named by its content. */
export function Pictures({ artifacts, failed }: { artifacts: Artifact[]; failed: boolean }) {
  const [all, setAll] = useState(false);
  const pictures = artifacts.filter(picture).sort((a, b) => rank(a, failed) - rank(b, failed));
  return (
    <>
      <ul className="grid gap-4 sm:grid-cols-2">
        {(all ? pictures : pictures.slice(0, FEW)).map((item) => (
          <li key={item.name} className="min-w-0">
            <figure>
              <a href={item.url} target="_blank" rel="noreferrer">
                <img
                  src={`${item.url}?v=${item.sha256.slice(0, 12)}`}
                  alt={pictureText(item)}
                  loading="lazy"
                  className="max-h-96 w-full rounded border border-line bg-white object-contain"
                />
              </a>
              <figcaption className="mt-1 text-[13px] text-soft">{pictureText(item)}</figcaption>
            </figure>
          </li>
        ))}
      </ul>
      {pictures.length > FEW && (
        <Button small className="mt-3" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show all ${pictures.length} pictures`}
        </Button>
      )}
    </>
  );
}

const ORDER = [/confusion_matrix/, /predictions|_pred/, /PR_curve/, /results/, /train_batch/, /labels/];

/** What tells most comes first: after a failure the batch that it came with. */
function rank(item: Artifact, failed: boolean): number {
  if (item.name.includes("failed_batch")) return failed ? -1 : ORDER.length + 1;
  const found = ORDER.findIndex((pattern) => pattern.test(item.name));
  return found < 0 ? ORDER.length : found;
}

const NAMED: [RegExp, string][] = [
  [/^failed_batch/, "The batch that failed"],
  [/^predictions/, "Sample predictions, mistakes first"],
  [/^val_batch\d+_pred/, "Sample predictions"],
  [/^(Box)?PR_curve/, "Precision and recall"],
  [/^train_batch/, "A training batch as the model sees it"],
];

export const hasPictures = (artifacts: Artifact[]) => artifacts.some(picture);

function pictureText(item: Artifact): string {
  const known = NAMED.find(([pattern]) => pattern.test(base(item.name)));
  if (known) return known[1];
  const name = base(item.name)
    .replace(/\.\w+$/, "")
    .replaceAll(/[_-]+/g, " ");
  return name.charAt(0).toUpperCase() + name.slice(1);
}
