// Imported for its effect: it defines the IndexedDB globals. Their types are those of TypeScript's lib.dom: without it in `lib`, import what is used from 'flowdb' instead.
export {};
