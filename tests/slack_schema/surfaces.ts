// What the schemas are made of: everything that the bot draws in Slack, and the app's manifest.
import type { HomeView, KnownBlock, MessageAttachment, MessageMetadata, ModalView } from "@slack/types";
import type { Manifest } from "@slack/web-api/dist/types/request/manifest";

export interface Surfaces {
  attachment: MessageAttachment;
  blocks: KnownBlock[];
  home: HomeView;
  metadata: MessageMetadata;
  modal: ModalView;
}

export type AppManifest = Manifest;
