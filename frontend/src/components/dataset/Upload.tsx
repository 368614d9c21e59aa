import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { FileArchive, WifiOff } from "lucide-react";
import { type DragEvent, useEffect, useId, useRef, useState } from "react";
import { useNow } from "../../hooks/useNow";
import { bytes } from "../../lib/format";
import { ApiError } from "../../services/api";
import { restOf, type Standing, sendRest, uploads } from "../../services/uploads";
import { ErrorAlert } from "../ErrorAlert";
import { Button, buttonClass, Progress } from "../ui";
import { Unfinished } from "./Unfinished";

const bare = (name: string) => name.replace(/\.zip$/i, "").slice(0, 80) || "data set";

/** Ended by a click, not by a failure: what has arrived stays and can go on. */
const PAUSED = "paused";

interface Sending {
  file: File;
  control: AbortController;
}

/** A zip from the disk, by choosing or dropping it; sent in pieces that survive cuts, checked as soon as it is there. */
export function Upload() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [standing, setStanding] = useState<Standing>({ sent: 0, waiting: null });
  const [over, setOver] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const id = useId();
  const unfinished = useQuery({
    queryKey: ["uploads"],
    queryFn: async () => (await uploads.unfinished()).items,
  });
  const sending = useMutation({
    mutationFn: async ({ file, control }: Sending) => {
      const name = bare(file.name);
      const known = (await uploads.unfinished()).items;
      const upload = restOf(file, name, known) ?? (await uploads.begin(name, file));
      setStanding({ sent: upload.offset, waiting: null });
      return sendRest(upload, file, setStanding, control.signal);
    },
    onMutate: () => setStanding({ sent: 0, waiting: null }),
    onSuccess: (datasetId) => {
      client.invalidateQueries({ queryKey: ["datasets"] });
      navigate({ to: "/datasets/$datasetId", params: { datasetId } });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["uploads"] }),
  });
  const start = (file: File) => sending.mutate({ file, control: new AbortController() });
  const take = (files: FileList | null) => {
    const file = files?.[0];
    if (!file) return;
    if (!/\.zip$/i.test(file.name)) {
      setRefused(`${file.name} is not a zip. Put the folder of images into a zip first.`);
      return;
    }
    setRefused(null);
    start(file);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  const file = sending.variables?.file;
  const error = sending.error instanceof ApiError ? sending.error : null;
  useLeaveWarning(sending.isPending);
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
        className={`flex flex-col items-center gap-2 rounded-lg border-2 border-dashed px-4 py-6 text-center focus-within:border-accent ${over ? "border-accent bg-info-ground" : "border-line"}`}
      >
        <FileArchive aria-hidden className="size-7 text-soft" />
        {sending.isPending && file ? (
          <Underway
            file={file}
            standing={standing}
            onPause={() => sending.variables?.control.abort(new DOMException(PAUSED, "AbortError"))}
          />
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
          id={id}
          type="file"
          aria-label="Choose a zip"
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
      {error && (
        <ErrorAlert
          error={error}
          onRetry={file && (() => start(file))}
          onDismiss={() => sending.reset()}
          listFields
        />
      )}
      {!sending.isPending && unfinished.data && unfinished.data.length > 0 && (
        <Unfinished items={unfinished.data} inputId={id} />
      )}
    </div>
  );
}

interface UnderwayProps {
  file: File;
  standing: Standing;
  onPause: () => void;
}

function Underway({ file, standing, onPause }: UnderwayProps) {
  const share = file.size ? standing.sent / file.size : 1;
  const { waiting } = standing;
  return (
    <div className="w-full max-w-md">
      <p className="mb-1.5">
        {share < 1 ? "Sending" : "Storing"} {file.name}: {bytes(standing.sent)} of {bytes(file.size)},{" "}
        {Math.floor(share * 100)} %
      </p>
      <Progress value={share} label={`Upload of ${file.name}`} />
      {waiting && (
        <div className="mt-2 flex flex-wrap items-center justify-center gap-2 text-warn">
          <WifiOff aria-hidden className="size-4 shrink-0" />
          <p role="status">Interrupted: {waiting.error.message} What has arrived stays.</p>
          <Left until={waiting.until} />
        </div>
      )}
      <Button small className="mt-2" onClick={onPause}>
        Pause
      </Button>
    </div>
  );
}

function Left({ until }: { until: number }) {
  const left = Math.ceil((until - useNow(500)) / 1000);
  return <span className="text-soft">{left > 0 ? `goes on in ${left} s` : "going on"}</span>;
}

/** The browser asks before it leaves a page that sends; what has arrived would stay, but nobody would send the rest. */
function useLeaveWarning(busy: boolean) {
  const wanted = useRef(busy);
  wanted.current = busy;
  useEffect(() => {
    const ask = (event: BeforeUnloadEvent) => wanted.current && event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, []);
}
