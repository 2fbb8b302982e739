// The way Immich configures sharp: one full decode, then a 1440 px JPEG and a 250 px WebP from its pixels.
// node sharp.mjs TARGET FILE... ; sharp is found through NODE_PATH's folder, given as SHARP_FOLDER.
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const sharp = createRequire(join(process.env.SHARP_FOLDER, 'index.js'))('sharp');
const [target, ...files] = process.argv.slice(2);
for (const file of files) {
    const decoded = sharp(file, { failOn: 'none' }).rotate().pipelineColorspace('srgb').withIccProfile('srgb');
    const { data, info } = await decoded.raw().toBuffer({ resolveWithObject: true });
    const raw = { width: info.width, height: info.height, channels: info.channels };
    const name = join(target, basename(file));
    const inside = { fit: 'outside', withoutEnlargement: true };
    await Promise.all([
        sharp(data, { raw }).resize(1440, 1440, inside).jpeg({ quality: 80 }).toFile(`${name}.preview.jpg`),
        sharp(data, { raw }).resize(250, 250, inside).webp({ quality: 80 }).toFile(`${name}.thumbnail.webp`),
    ]);
}
