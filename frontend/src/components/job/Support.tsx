// What goes to support: looked at first, then copied as Markdown or taken as a zip.

import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import type { Job } from "../../generated/api";
import { bytes } from "../../lib/format";
import { failures } from "../../services/failures";
import { Dialog } from "../Dialog";
import { CardError } from "../Failures";
import { Button, buttonClass, Loading } from "../ui";

interface SupportProps {
  job: Job;
  onCopy: (text: string) => void;
  onClose: () => void;
}

/** The bundle for support, file by file, as it would leave the platform. */
export function Support({ job, onCopy, onClose }: SupportProps) {
  const preview = useQuery({
    queryKey: ["support", job.job_id, job.last_seq],
    queryFn: () => failures.supportPreview(job.job_id),
    retry: false,
  });
  return (
    <Dialog title={`Support bundle of ${job.job_id}`} onClose={onClose}>
      {preview.error ? (
        <CardError error={preview.error} onRetry={() => preview.refetch()} />
      ) : !preview.data ? (
        <Loading what="what the bundle holds" />
      ) : (
        <>
          <p className="text-soft">
            {preview.data.redactions === 0
              ? "Nothing in it looked like a secret."
              : `${preview.data.redactions} places that looked like secrets were taken out.`}{" "}
            Look before you send it.
          </p>
          <ul className="mt-3 flex max-h-[50vh] flex-col gap-1 overflow-auto">
            {preview.data.files.map((file, index) => (
              <li key={file.name}>
                <details open={index === 0}>
                  <summary className="cursor-pointer font-mono text-[13px]">
                    {file.name} <span className="text-soft">({bytes(file.bytes)})</span>
                  </summary>
                  <pre className="max-h-60 overflow-auto rounded bg-hover p-2 font-mono text-xs break-words whitespace-pre-wrap">
                    {file.text || "(empty)"}
                  </pre>
                </details>
              </li>
            ))}
          </ul>
        </>
      )}
      <div className="mt-4 flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Close</Button>
        {preview.data && <Button onClick={() => onCopy(preview.data.summary)}>Copy as Markdown</Button>}
        {preview.data && (
          <a
            href={failures.supportUrl(job.job_id)}
            download={preview.data.filename}
            className={buttonClass("primary")}
          >
            <Download aria-hidden className="size-4" /> Download zip
          </a>
        )}
      </div>
    </Dialog>
  );
}
