export { canonicalJson } from './canonical-json.js';
export { figure11 } from './figure-1-1.js';
export { figure41 } from './figure-4-1.js';
export { figure42 } from './figure-4-2.js';
export { encodePicture, type PictureSize, pictureGrid } from './pictures.js';
export { type ReportArtifact, reportArtifacts } from './report-artifacts.js';
export type { ReportData, ReportDataset, ReportModel } from './report-data.js';
export { reportPage, summarySentences } from './report-page.js';
