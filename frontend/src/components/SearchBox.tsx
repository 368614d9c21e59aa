import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";
import { inputClass } from "./ui";

const TYPING = 250;

interface Props {
  value: string | undefined;
  onChange: (words: string | undefined) => void;
  box: RefObject<HTMLInputElement | null>;
  label: string;
  placeholder: string;
}

/** A field that searches while one types, and follows where what is searched for changes by other ways. */
export function SearchBox({ value = "", onChange, box, label, placeholder }: Props) {
  const [words, setWords] = useState(value);
  const change = useRef(onChange);
  change.current = onChange;
  const sent = useRef(value);
  useEffect(() => {
    if (words === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = words;
      change.current(words || undefined);
    }, TYPING);
    return () => clearTimeout(timer);
  }, [words]);
  // An address that changes by other ways than typing, such as "Show all jobs", is followed.
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setWords(value);
  }, [value]);
  const leave = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key !== "Escape") return;
    // The browser would empty the field.
    event.preventDefault();
    event.currentTarget.blur();
  };
  return (
    <input
      ref={box}
      type="search"
      aria-label={label}
      placeholder={placeholder}
      className={inputClass}
      value={words}
      onChange={(event) => setWords(event.target.value)}
      onKeyDown={leave}
    />
  );
}
