import type { ComponentProps } from "react";

export const cls = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(" ");

type Look = "primary" | "secondary" | "ghost" | "danger";
const looks: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:opacity-90 border-transparent",
  secondary: "bg-panel text-ink border-line hover:bg-hover",
  ghost: "text-soft border-transparent hover:bg-hover hover:text-ink",
  danger: "bg-panel text-bad border-line hover:bg-bad-ground",
};

export function buttonClass(look: Look = "secondary", small = false) {
  return cls(
    "inline-flex items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap no-underline",
    "disabled:opacity-60 disabled:cursor-not-allowed",
    small ? "min-h-7 px-2 text-[13px]" : "min-h-9 px-3",
    looks[look],
  );
}

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  small?: boolean;
  busy?: boolean;
}

export function Button({ look, small, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={cls(buttonClass(look, small), className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
    >
      {children}
    </button>
  );
}
