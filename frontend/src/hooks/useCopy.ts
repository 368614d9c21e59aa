import { useCallback } from "react";
import { toast } from "sonner";

/** Puts a text into the clipboard and says so, or says that the browser does not allow it. */
export function useCopy() {
  return useCallback(async (text: string, said: string) => {
    try {
      await navigator.clipboard.writeText(text);
      toast.success(said);
    } catch {
      toast.error("The browser did not let the page copy: select the text and copy it yourself");
    }
  }, []);
}
