// Imported for its effect: it defines the IndexedDB globals.
export {};
