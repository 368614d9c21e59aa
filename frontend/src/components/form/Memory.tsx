import { Link } from "@tanstack/react-router";
import { Cpu } from "lucide-react";
import type { DeviceMemory } from "../../generated/api";
import { bytes } from "../../lib/format";
import { linkClass } from "../ui";

const verdicts: Record<DeviceMemory["verdict"], { word: string; tone: string; bar: string }> = {
  fits: { word: "fits", tone: "text-good", bar: "bg-good" },
  tight: { word: "only just fits", tone: "text-warn", bar: "bg-warn" },
  too_much: { word: "does not fit", tone: "text-bad", bar: "bg-bad" },
  unknown: { word: "room is not known", tone: "text-soft", bar: "bg-soft" },
};

/** What the training will take, against what each kind of device has, and how that is known. */
export function Memory({ devices }: { devices: DeviceMemory[] }) {
  return (
    <section aria-label="Memory" className="mt-3 border-t border-line pt-3">
      <h3 className="flex items-center gap-1.5 text-[13px] font-medium">
        <Cpu aria-hidden className="size-4" /> Memory
      </h3>
      <ul className="mt-1 flex flex-col gap-2 text-[13px]">
        {devices.map((item) => (
          <Device key={item.device} item={item} />
        ))}
      </ul>
    </section>
  );
}

function Device({ item }: { item: DeviceMemory }) {
  const verdict = verdicts[item.verdict];
  const share = item.room_bytes ? Math.min(1, item.needed_bytes / item.room_bytes) : null;
  return (
    <li>
      <p>
        {item.basis === "computed" ? "At least " : "About "}
        {bytes(item.needed_bytes)}
        {item.room_bytes !== null && ` of ${bytes(item.room_bytes)}`} on {item.device.replace(/ with .*/, "")}
        : <strong className={verdict.tone}>{verdict.word}</strong>
      </p>
      {share !== null && (
        <div aria-hidden className="my-1 h-1.5 overflow-hidden rounded-full bg-hover">
          <div className={`h-full rounded-full ${verdict.bar}`} style={{ width: `${share * 100}%` }} />
        </div>
      )}
      <p className="text-soft">
        {item.job_id ? (
          <>
            By what{" "}
            <Link to="/jobs/$jobId" params={{ jobId: item.job_id }} className={linkClass}>
              {item.job_id}
            </Link>{" "}
            took with a batch of {item.job_batch_size}
          </>
        ) : (
          "By the model's weights and layers; the first epoch will tell more"
        )}
      </p>
    </li>
  );
}
