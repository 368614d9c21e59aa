import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Upload } from "../../generated/api";
import { bytes } from "../../lib/format";
import { tell } from "../../lib/tell";
import { ApiError } from "../../services/api";
import { uploads } from "../../services/uploads";
import { ErrorAlert } from "../ErrorAlert";
import { Ago, Button, buttonClass, Progress } from "../ui";

/** Uploads that were cut off: a page cannot open the file again by itself, but it knows how far it had come. */
export function Unfinished({ items, inputId }: { items: Upload[]; inputId: string }) {
  const client = useQueryClient();
  const discard = useMutation({
    mutationFn: uploads.discard,
    onSuccess: () => client.invalidateQueries({ queryKey: ["uploads"] }),
    onError: tell,
  });
  return (
    <section aria-label="Unfinished uploads" className="rounded-md border border-line px-3 py-2">
      <h3 className="font-medium">Unfinished uploads, which can go on</h3>
      <ul className="mt-1 divide-y divide-line">
        {items.map((item) => (
          <li key={item.upload_id} className="flex flex-wrap items-center gap-x-3 gap-y-1.5 py-2">
            <div className="min-w-0 flex-1 basis-52">
              <p className="break-words">
                {item.name}{" "}
                <span className="text-[13px] text-soft">
                  {bytes(item.offset)} of {bytes(item.bytes)}, begun <Ago at={item.created_at} />
                </span>
              </p>
              <Progress value={item.offset / item.bytes} label={`Arrived of ${item.name}`} />
            </div>
            <label htmlFor={inputId} className={buttonClass("secondary", true)}>
              Choose the same file<span className="sr-only"> to go on with {item.name}</span>
            </label>
            <Button
              small
              look="ghost"
              busy={discard.isPending}
              onClick={() => discard.mutate(item.upload_id)}
            >
              Discard<span className="sr-only"> the upload of {item.name}</span>
            </Button>
          </li>
        ))}
      </ul>
      {discard.error instanceof ApiError && (
        <ErrorAlert
          error={discard.error}
          onRetry={() => discard.variables && discard.mutate(discard.variables)}
        />
      )}
    </section>
  );
}
