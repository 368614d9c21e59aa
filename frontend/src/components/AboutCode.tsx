import { linkClass } from "./ui";

/** The documentation of a failure code, in a tab of its own. */
export function AboutCode({ code }: { code: string }) {
  return (
    <a href={`/errors/${code}`} target="_blank" rel="noreferrer" className={`${linkClass} text-[13px]`}>
      About<span className="sr-only"> {code}</span>
    </a>
  );
}
