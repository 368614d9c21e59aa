import type { ReactNode } from "react";
import { cls } from "./Button";
import { PanelBoundary } from "./Crash";

interface CardProps {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  id?: string;
  flush?: boolean;
}

/** A panel of a page. What crashes in it leaves the others as they are. */
export function Card({ title, actions, children, className, id, flush }: CardProps) {
  return (
    <section
      id={id}
      aria-labelledby={title && id ? `${id}-title` : undefined}
      className={cls("min-w-0 rounded-lg border border-line bg-panel", className)}
    >
      {title && (
        <header className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1 border-b border-line px-4 py-2.5">
          <h2 id={id ? `${id}-title` : undefined} className="text-[15px] font-semibold">
            {title}
          </h2>
          {actions && <div className="flex flex-wrap items-center gap-1.5">{actions}</div>}
        </header>
      )}
      <div className={flush ? "" : "p-4"}>
        <PanelBoundary>{children}</PanelBoundary>
      </div>
    </section>
  );
}
