import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FileArchive } from "lucide-react";
import { type DragEvent, useId, useRef, useState } from "react";
import { bytes } from "../../lib/format";
import { ApiError, upload } from "../../services/api";
import { ErrorAlert } from "../ErrorAlert";
import { Button, buttonClass, Progress } from "../ui";

const bare = (name: string) => name.replace(/\.zip$/i, "").slice(0, 80) || "data set";

/** A zip from the disk, by choosing or dropping it; it is checked as soon as it is there. */
export function Upload() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [share, setShare] = useState(0);
  const [over, setOver] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const id = useId();
  const sending = useMutation({
    mutationFn: (file: File) => upload(bare(file.name), file, setShare),
    onMutate: () => setShare(0),
    onSuccess: (dataset) => {
      client.invalidateQueries({ queryKey: ["datasets"] });
      navigate({ to: "/datasets/$datasetId", params: { datasetId: dataset.dataset_id } });
    },
  });
  const take = (files: FileList | null) => {
    const file = files?.[0];
    if (!file) return;
    if (!/\.zip$/i.test(file.name)) {
      setRefused(`${file.name} is not a zip. Put the folder of images into a zip first.`);
      return;
    }
    setRefused(null);
    sending.mutate(file);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  const file = sending.variables;
  return (
    <div className="flex flex-col gap-3">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is a second way; the button in it is the first */}
      <div
        data-drop
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
        className={`flex flex-col items-center gap-2 rounded-lg border-2 border-dashed px-4 py-6 text-center ${over ? "border-accent bg-info-ground" : "border-line"}`}
      >
        <FileArchive aria-hidden className="size-7 text-soft" />
        {sending.isPending && file ? (
          <div className="w-full max-w-md">
            <p className="mb-1.5">
              {share < 1 ? "Sending" : "Storing"} {file.name} ({bytes(file.size)}), {Math.round(share * 100)}{" "}
              %
            </p>
            <Progress value={share} label={`Upload of ${file.name}`} />
          </div>
        ) : (
          <>
            <p>
              <label htmlFor={id} className={buttonClass("primary")}>
                Choose a zip
              </label>{" "}
              <span className="text-soft">or drop it here</span>
            </p>
            <p className="max-w-prose text-[13px] text-soft">
              YOLO detection (images and labels) or one folder a class: the layout is recognised. Every image
              and label is checked before anything is trained.
            </p>
          </>
        )}
        <input
          ref={chooser}
          id={id}
          type="file"
          accept=".zip,application/zip"
          className="sr-only"
          disabled={sending.isPending}
          onChange={(event) => {
            take(event.target.files);
            event.target.value = "";
          }}
        />
      </div>
      {refused && (
        <p role="alert" className="text-bad">
          {refused}
        </p>
      )}
      {sending.error instanceof ApiError && (
        <ErrorAlert
          error={sending.error}
          onRetry={file && (() => sending.mutate(file))}
          onDismiss={() => sending.reset()}
          listFields
        />
      )}
    </div>
  );
}

const samples = [
  ["digits-classify", "Digits, classification", "1,797 handwritten digits in ten folders"],
  ["digits-detect", "Digits, detection", "The same digits with boxes, on canvases"],
  ["digits-broken", "Digits with broken files", "To see what a refusal looks like"],
] as const;

export function Samples({ onAdd, adding }: { onAdd: (sample: string) => void; adding: string | null }) {
  return (
    <ul className="flex flex-col gap-2">
      {samples.map(([name, label, about]) => (
        <li key={name} className="flex flex-wrap items-center justify-between gap-2">
          <span>
            {label}
            <span className="block text-[13px] text-soft">{about}</span>
          </span>
          <Button small busy={adding === name} disabled={adding !== null} onClick={() => onAdd(name)}>
            {adding === name ? "Adding" : "Add"}
            <span className="sr-only"> {label}</span>
          </Button>
        </li>
      ))}
    </ul>
  );
}
