import type { PublicError } from "../../generated/api";
import { labelOf, placesOf } from "../../lib/form";
import { Code } from "../Code";
import { linkClass } from "../ui";

interface Props {
  errors: PublicError[];
  onField: (place: string) => void;
}

/** Said once when the form was refused: everything that is wrong, each a way to its field. */
export function Summary({ errors, onField }: Props) {
  const found = errors.flatMap((error) => placesOf(error));
  return (
    <div role="alert" className="mb-4 rounded-lg border border-l-4 border-bad bg-bad-ground px-4 py-3">
      <h2 className="font-semibold">
        {found.length === 1 ? "One thing has" : `${found.length} things have`} to be put right before it can
        start
      </h2>
      <ul className="mt-1 list-disc pl-5">
        {found.map(({ place, message }) => (
          <li key={place + message} className="break-words">
            {place && (
              <>
                <button type="button" className={linkClass} onClick={() => onField(place)}>
                  {labelOf(place)}
                </button>
                :{" "}
              </>
            )}
            <Code text={message} />
          </li>
        ))}
      </ul>
    </div>
  );
}
