export { type NativeEngineInfo, registerNativeBackend } from './register-backend.js';
