import { Copy } from "lucide-react";
import type { GroupDetail } from "../../generated/api";
import { useCopy } from "../../hooks/useCopy";
import { Ago, Button, Card } from "../ui";

const KINDS: Record<string, string> = {
  v: "from the diagnosis of a training",
  e: "from the code, the route and where it was raised",
  p: "from the kind of error and where in the page it was thrown",
};

/** `v1` as people read it: version 1 of the rules that find what is alike, and what these look at. */
export function versionText(fingerprint: string): string {
  const [, kind = "", version] = /^([a-z]+)(\d+):/.exec(fingerprint) ?? [];
  return version ? `version ${version}${KINDS[kind] ? `, ${KINDS[kind]}` : ""}` : "of an unknown version";
}

/** By what failures count as the same, newest rules first. */
export function Fingerprints({ group }: { group: GroupDetail }) {
  const copy = useCopy();
  return (
    <Card id="fingerprints" title={group.fingerprints.length > 1 ? "Fingerprints" : "Fingerprint"}>
      <ul className="flex flex-col gap-2 text-[13px]">
        {[...group.fingerprints].reverse().map(({ fingerprint, since }) => (
          <li key={fingerprint}>
            <p className="flex flex-wrap items-center gap-x-1">
              <code className="min-w-0 font-mono break-all select-all">{fingerprint}</code>
              <Button
                small
                look="ghost"
                onClick={() => copy(fingerprint, "Fingerprint copied")}
                aria-label={`Copy fingerprint ${fingerprint}`}
                title="Copy"
              >
                <Copy aria-hidden className="size-3.5" />
              </Button>
            </p>
            <p className="text-soft">
              {versionText(fingerprint)}; first seen <Ago at={since} />
            </p>
          </li>
        ))}
      </ul>
    </Card>
  );
}
