import { type ParameterSchema, ParameterType, type Recipe as RecipeMessage } from '@percept/contracts';
import { presetNames, type Recipe, type RecipeParameter } from '@percept/recipes';

const parameterTypes: Readonly<Record<RecipeParameter['type'], ParameterType>> = {
  number: ParameterType.NUMBER,
  integer: ParameterType.INTEGER,
  boolean: ParameterType.BOOLEAN,
};

/** A recipe as its callers see it. */
export function recipeMessage(recipe: Recipe): RecipeMessage {
  return {
    name: recipe.name,
    description: recipe.description,
    reference: recipe.reference,
    needsTeacher: recipe.needsTeacher,
    parameters: recipe.parameters.map((parameter) => parameterMessage(recipe, parameter)),
    presets: presetNames.map((name) => {
      const { description, parameters, epochs, batchSize } = recipe.presets[name];
      return { name, description, parameters: { ...parameters }, epochs, batchSize };
    }),
  };
}

/** Defaults are those of the preset `paper`, which holds where a caller names no preset. */
function parameterMessage(recipe: Recipe, parameter: RecipeParameter): ParameterSchema {
  const value = recipe.presets.paper.parameters[parameter.name] ?? 0;
  return {
    name: parameter.name,
    description: parameter.description,
    type: parameterTypes[parameter.type],
    unit: parameter.unit,
    minimum: parameter.minimum,
    maximum: parameter.maximum,
    exclusiveMinimum: parameter.exclusiveMinimum ?? false,
    choices: [],
    defaultValue: parameter.type === 'boolean' ? { $case: 'boolean', value: value === 1 } : { $case: 'number', value },
  };
}
